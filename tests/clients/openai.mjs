// openai.mjs - the package openai: chats, completions, embeddings, responses, models, and its classes of errors.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import OpenAI, { APIUserAbortError, AuthenticationError, BadRequestError, NotFoundError, PermissionDeniedError, RateLimitError } from 'openai';
import { zodFunction, zodResponseFormat, zodResponsesFunction, zodTextFormat } from 'openai/helpers/zod';
import { all, ASKED, CITIES, GUARDED, isWeather, KEYS, QUESTION, refusal, URL_, Weather } from './common.mjs';

const client = new OpenAI({ baseURL: URL_ + '/v1', apiKey: 'none', maxRetries: 0 });
const guarded = (key, more) => new OpenAI({ baseURL: GUARDED + '/v1', apiKey: KEYS[key] ?? key, maxRetries: 0, ...more });
const STILL = { model: 'demo', messages: ASKED, temperature: 0, max_tokens: 12 };
const weather = zodFunction({ name: 'get_weather', parameters: Weather });
const forced = { type: 'function', function: { name: 'get_weather' } };

test('models', async () => {
        const models = await all(client.models.list());
        assert.deepEqual(models.map(m => m.id).sort(), ['calls', 'code', 'demo', 'noise', 'thinks']);
        const demo = await client.models.retrieve('demo');
        assert.deepEqual([demo.id, demo.object, typeof demo.created, typeof demo.owned_by], ['demo', 'model', 'number', 'string']);
        assert.equal((await refusal(client.models.retrieve('none'))).constructor, NotFoundError);
});

test('a chat, whole and as a stream', async () => {
        const whole = await client.chat.completions.create(STILL);
        const text = whole.choices[0].message.content;
        assert.ok(text.length > 10);
        assert.deepEqual([whole.object, whole.choices[0].finish_reason, whole.usage.completion_tokens], ['chat.completion', 'length', 12]);
        assert.equal(whole.usage.total_tokens, whole.usage.prompt_tokens + 12);

        const chunks = await all(await client.chat.completions.create({ ...STILL, stream: true, stream_options: { include_usage: true } }));
        assert.equal(chunks.flatMap(c => c.choices).map(c => c.delta.content ?? '').join(''), text);
        assert.deepEqual(chunks.map(c => c.choices[0]?.delta.role).filter(Boolean), ['assistant']);
        assert.deepEqual([chunks.at(-1).choices, chunks.at(-1).usage.total_tokens], [[], whole.usage.total_tokens]);

        const heard = [];
        const stream = client.chat.completions.stream(STILL).on('content', piece => heard.push(piece));
        assert.equal(await stream.finalContent(), text);
        assert.equal(heard.join(''), text);
        assert.equal((await stream.finalChatCompletion()).choices[0].finish_reason, 'length');
});

test('log-probabilities, a stop string, a seed', async () => {
        const asked = { ...STILL, logprobs: true, top_logprobs: 2 };
        const { message, logprobs, finish_reason } = (await client.chat.completions.create(asked)).choices[0];
        assert.deepEqual([logprobs.content.length, logprobs.content[0].top_logprobs.length], [12, 2]);
        assert.equal(logprobs.content.map(t => t.token).join(''), message.content);
        assert.equal(finish_reason, 'length');
        const word = message.content.split(' ')[2];
        const cut = (await client.chat.completions.create({ ...STILL, stop: [word] })).choices[0];
        assert.deepEqual([cut.finish_reason, cut.message.content], ['stop', message.content.slice(0, message.content.indexOf(word))]);
        const noise = () => client.chat.completions.create({ ...STILL, model: 'noise', temperature: 2, seed: 7 });
        assert.equal((await noise()).choices[0].message.content, (await noise()).choices[0].message.content);
});

test('several calls that the model makes by itself', async () => {
        const asked = { model: 'calls', messages: ASKED, tools: [weather], temperature: 0, max_tokens: 2 };
        const { message } = (await client.chat.completions.create(asked)).choices[0];
        assert.deepEqual(message.tool_calls.map(c => [c.function.name, c.function.arguments]), Array(2).fill(['get_weather', '{"city":"Paris"}']));
        assert.equal(new Set(message.tool_calls.map(c => c.id)).size, 2);

        const pieces = [];
        for await (const chunk of await client.chat.completions.create({ ...asked, stream: true }))
                for (const piece of chunk.choices[0].delta.tool_calls ?? [])
                        (pieces[piece.index] ??= []).push(piece.function.arguments);
        assert.deepEqual(pieces.map(p => JSON.parse(p.join(''))), Array(2).fill({ city: 'Paris' }));
});

test('a call that must be, typed and streamed', async () => {
        const asked = { model: 'noise', messages: ASKED, tools: [weather], tool_choice: forced, seed: 1, max_tokens: 200 };
        const { message, finish_reason } = (await client.chat.completions.parse(asked)).choices[0];
        assert.equal(finish_reason, 'tool_calls');
        assert.ok(isWeather(message.tool_calls[0].function.parsed_arguments));

        let grown = '';
        const stream = client.chat.completions.stream(asked);
        stream.on('tool_calls.function.arguments.delta', event => { grown += event.arguments_delta; });
        const final = (await stream.finalChatCompletion()).choices[0].message.tool_calls[0].function;
        assert.equal(grown, final.arguments);
        assert.deepEqual(final.parsed_arguments, message.tool_calls[0].function.parsed_arguments);
});

test('a round of calls, run by the client', async () => {
        const asked = [];
        const tool = zodFunction({ name: 'get_weather', parameters: Weather, function: args => { asked.push(args); return 'Sunny.'; } });
        const runner = client.chat.completions.runTools({ model: 'demo', messages: ASKED, tools: [tool], tool_choice: forced, temperature: 0, max_tokens: 60 });
        await runner.done();
        assert.equal(asked.length, 1);
        assert.ok(isWeather(asked[0]));
        assert.equal(await runner.finalFunctionToolCallResult(), 'Sunny.');
});

test('a structured answer', async () => {
        const asked = { model: 'noise', messages: ASKED, seed: 3, max_tokens: 200, response_format: zodResponseFormat(Weather, 'weather') };
        const { message, finish_reason } = (await client.chat.completions.parse(asked)).choices[0];
        assert.equal(finish_reason, 'stop');
        assert.ok(isWeather(message.parsed));
        assert.deepEqual((await client.chat.completions.stream(asked).finalChatCompletion()).choices[0].message.parsed, message.parsed);
});

test('reasoning', async () => {
        const asked = { model: 'thinks', messages: ASKED, temperature: 0, max_tokens: 1 };
        const whole = await client.chat.completions.create(asked);
        assert.deepEqual([whole.choices[0].message.reasoning_content, whole.choices[0].message.content], ['Hm.', 'Yes.']);
        const none = await client.chat.completions.create({ ...asked, reasoning_effort: 'none' });
        assert.equal(none.choices[0].message.reasoning_content, undefined);
        assert.equal(none.usage.completion_tokens_details.reasoning_tokens, 0);
});

test('several answers to one question', async () => {
        const asked = { model: 'noise', messages: ASKED, temperature: 2, seed: 4, max_tokens: 8, n: 3 };
        const texts = (await client.chat.completions.create(asked)).choices.map(c => c.message.content);
        assert.equal(new Set(texts).size, 3);
        const streamed = ['', '', ''];
        for await (const chunk of await client.chat.completions.create({ ...asked, stream: true }))
                for (const { index, delta } of chunk.choices)
                        streamed[index] += delta.content ?? '';
        assert.deepEqual(streamed, texts);
        const helped = await client.chat.completions.stream(asked).finalChatCompletion();
        assert.deepEqual(helped.choices.map(c => c.message.content), texts);
        assert.equal((await client.completions.create({ model: 'demo', prompt: 'Once', max_tokens: 4, n: 2 })).choices.length, 2);
        assert.equal((await refusal(client.chat.completions.create({ ...asked, n: 9 }))).param, 'n');
});

test('a completion', async () => {
        const asked = { model: 'demo', prompt: 'Once upon a time', temperature: 0, max_tokens: 8 };
        const whole = await client.completions.create({ ...asked, logprobs: 1 });
        assert.equal(whole.object, 'text_completion');
        assert.equal(whole.choices[0].logprobs.tokens.join(''), whole.choices[0].text);
        const chunks = await all(await client.completions.create({ ...asked, stream: true }));
        assert.equal(chunks.flatMap(c => c.choices).map(c => c.text).join(''), whole.choices[0].text);
});

test('completions of a list of prompts', async () => {
        const asked = { model: 'demo', temperature: 0, max_tokens: 8 }, prompt = ['Once upon a time', 'The'];
        const { choices } = await client.completions.create({ ...asked, prompt, n: 2 });
        assert.deepEqual(choices.map(c => c.index), [0, 1, 2, 3]);
        for (const [i, one] of prompt.entries()) {
                const alone = (await client.completions.create({ ...asked, prompt: one })).choices[0].text;
                assert.deepEqual(choices.slice(2 * i, 2 * i + 2).map(c => c.text), [alone, alone]);
        }
});

test('several completions as a stream', async () => {
        const asked = { model: 'demo', prompt: 'Once', temperature: 2, seed: 4, max_tokens: 8, n: 2 };
        const texts = (await client.completions.create(asked)).choices.map(c => c.text);
        assert.equal(new Set(texts).size, 2);
        const streamed = ['', ''];
        for await (const chunk of await client.completions.create({ ...asked, stream: true }))
                for (const { index, text } of chunk.choices)
                        streamed[index] += text;
        assert.deepEqual(streamed, texts);
});

test('a completion that begins with its prompt', async () => {
        const asked = { model: 'demo', prompt: 'Once upon a time', temperature: 0, max_tokens: 8, logprobs: 1 };
        const plain = (await client.completions.create(asked)).choices[0];
        const { text, logprobs } = (await client.completions.create({ ...asked, echo: true })).choices[0];
        assert.equal(text, asked.prompt + plain.text);
        assert.equal(logprobs.tokens.join(''), text);
        assert.ok(logprobs.tokens.length > plain.logprobs.tokens.length);
        assert.deepEqual(logprobs.token_logprobs.map(p => p === null), logprobs.tokens.map((_, i) => i === 0));
        assert.deepEqual(logprobs.tokens.slice(-8), plain.logprobs.tokens);
});

test('a gap is filled', async () => {
        const asked = { model: 'code', prompt: 'def add(a, b):', temperature: 0, max_tokens: 8 };
        const [gap, open] = await Promise.all([{ suffix: 'print(add(1, 2))' }, {}].map(more => client.completions.create({ ...asked, ...more })));
        assert.ok(gap.choices[0].text.length > 0);
        assert.ok(gap.usage.prompt_tokens > open.usage.prompt_tokens + 3);  // what stands behind it, and three marks
        const refused = await refusal(client.completions.create({ ...asked, model: 'demo', suffix: 'b' }));
        assert.equal(refused.constructor, BadRequestError);
        assert.match(refused.message, /not taught to fill a gap/);
});

test('embeddings, as the base64 that the client asks for and as numbers', async () => {
        const [packed, plain] = await Promise.all([undefined, 'float'].map(encoding_format =>
                client.embeddings.create({ model: 'demo', input: [QUESTION, 'x'], encoding_format })));
        assert.equal(packed.data.length, 2);
        assert.ok(packed.data[0].embedding.length > 50);
        packed.data[1].embedding.forEach((x, i) => assert.ok(Math.abs(x - plain.data[1].embedding[i]) < 1e-6));
        assert.equal((await client.embeddings.create({ model: 'demo', input: 'x', dimensions: 8 })).data[0].embedding.length, 8);
});

test('a response, whole and as a stream', async () => {
        const asked = { model: 'demo', input: QUESTION, temperature: 0, max_output_tokens: 12, store: false };
        const whole = await client.responses.create(asked);
        assert.equal(whole.output_text, (await client.chat.completions.create(STILL)).choices[0].message.content);
        assert.deepEqual([whole.status, whole.incomplete_details], ['incomplete', { reason: 'max_output_tokens' }]);
        assert.equal((await client.responses.inputTokens.count({ model: 'demo', input: QUESTION })).input_tokens, whole.usage.input_tokens);
        const stream = client.responses.stream(asked);
        const said = (await all(stream)).filter(e => e.type === 'response.output_text.delta').map(e => e.delta).join('');
        assert.deepEqual([said, (await stream.finalResponse()).output_text], [whole.output_text, whole.output_text]);
});

test('log-probabilities of a response', async () => {
        const asked = { model: 'demo', input: QUESTION, temperature: 0, max_output_tokens: 4, include: ['message.output_text.logprobs'], top_logprobs: 2 };
        const [{ logprobs, text }] = (await client.responses.create(asked)).output[0].content;
        assert.deepEqual([logprobs.map(t => t.token).join(''), logprobs[0].top_logprobs.length], [text, 2]);
});

test('a typed response, a call in one, and what follows it', async () => {
        const noise = { model: 'noise', input: QUESTION, max_output_tokens: 200, seed: 5 };
        const typed = await client.responses.parse({ ...noise, text: { format: zodTextFormat(Weather, 'weather') } });
        assert.equal(typed.status, 'completed');
        assert.ok(isWeather(typed.output_parsed));

        const asked = { ...noise, tools: [zodResponsesFunction({ name: 'get_weather', parameters: Weather })], tool_choice: { type: 'function', name: 'get_weather' } };
        const called = await client.responses.parse(asked);
        const [call] = called.output;
        assert.deepEqual([call.type, call.name, called.output.length], ['function_call', 'get_weather', 1]);
        assert.ok(isWeather(call.parsed_arguments));
        const events = await all(await client.responses.create({ ...asked, stream: true }));
        assert.equal(events.filter(e => e.type === 'response.function_call_arguments.delta').map(e => e.delta).join(''), call.arguments);
        const { parsed_arguments, ...item } = call;
        const next = await client.responses.create({ model: 'calls', max_output_tokens: 1, temperature: 0,
                input: [...ASKED, item, { type: 'function_call_output', call_id: call.call_id, output: 'Sunny.' }] });
        assert.match(next.output_text, /get_weather/);  // no tools, no calls
});

test('reasoning in a response', async () => {
        const asked = { model: 'thinks', input: QUESTION, temperature: 0, max_output_tokens: 1, reasoning: { summary: 'auto' } };
        const whole = await client.responses.create(asked);
        assert.deepEqual([whole.output[0].summary[0].text, whole.output_text], ['Hm.', 'Yes.']);
        const events = await all(await client.responses.create({ ...asked, stream: true }));
        assert.equal(events.find(e => e.type === 'response.reasoning_summary_text.done').text, 'Hm.');
});

test('a stream that is left', async () => {
        const controller = new AbortController();
        const stream = await client.chat.completions.create({ ...STILL, model: 'noise', max_tokens: 1900, stream: true }, { signal: controller.signal });
        let chunks = 0;
        for await (const chunk of stream)
                if (chunk.id && ++chunks === 3)
                        controller.abort();
        assert.ok(chunks < 1000);
        const aborted = new AbortController();
        aborted.abort();
        assert.equal((await refusal(client.chat.completions.create(STILL, { signal: aborted.signal }))).constructor, APIUserAbortError);
});

test('classes of errors', async () => {
        for (const [kind, code, ask] of [
                [NotFoundError, 'model_not_found', () => client.chat.completions.create({ ...STILL, model: 'none' })],
                [NotFoundError, 'model_not_found', () => client.chat.completions.create({ ...STILL, model: 'none', stream: true })],
                [NotFoundError, 'model_not_found', () => client.responses.create({ model: 'none', input: 'x' })],
                [NotFoundError, 'not_found', () => client.files.list()],
                [BadRequestError, 'context_length_exceeded', () => client.chat.completions.create({ ...STILL, messages: [{ role: 'user', content: 'word '.repeat(2000) }] })],
                [BadRequestError, 'context_length_exceeded', () => client.responses.create({ model: 'demo', input: 'word '.repeat(2000), stream: true })],
                [BadRequestError, null, () => client.chat.completions.create({ ...STILL, messages: 'x' })],
                [AuthenticationError, 'invalid_api_key', () => guarded('wrong').chat.completions.create(STILL)],
                [AuthenticationError, 'invalid_api_key', () => all(guarded('wrong').models.list())],
                [PermissionDeniedError, 'model_not_allowed', () => guarded('small').chat.completions.create(STILL)]]) {
                const error = await refusal(ask());
                assert.equal(error.constructor, kind, String(error));
                assert.equal(error.code, code);
                assert.match(error.requestID, /\w/);
        }
        for (const ask of [() => client.audio.speech.create({ model: 'demo', input: 'x', voice: 'alloy' }), () => client.images.generate({ prompt: 'x' })])
                assert.deepEqual([(await refusal(ask())).status, (await refusal(ask())).code], [501, 'not_offered']);
        const error = await refusal(client.responses.create({ model: 'demo', input: 'x', previous_response_id: 'resp_1' }));
        assert.equal(error.param, 'previous_response_id');
});

test('limits of a key', async () => {
        await guarded('spent').chat.completions.create(STILL).catch(() => {});
        const refused = await refusal(guarded('spent', { maxRetries: 2 }).chat.completions.create(STILL));  // too far away to be tried again
        assert.equal(refused.constructor, RateLimitError);
        assert.equal(refused.headers.get('x-should-retry'), 'false');

        const slow = guarded('slow', { maxRetries: 3 });
        const started = performance.now();
        const answers = await Promise.all([1, 2].map(() => slow.chat.completions.create({ ...STILL, max_tokens: 1 })));
        assert.equal(answers.length, 2);
        assert.ok(performance.now() - started > 900);  // Retry-After was waited for
});
