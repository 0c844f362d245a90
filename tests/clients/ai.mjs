// ai.mjs - the packages ai, @ai-sdk/openai (its Responses, which it takes by itself, and its chats) and @ai-sdk/openai-compatible.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createOpenAI } from '@ai-sdk/openai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { APICallError, embedMany, generateText, Output, stepCountIs, streamText, tool } from 'ai';
import { all, CITIES, GUARDED, isWeather, KEYS, QUESTION, refusal, URL_, Weather } from './common.mjs';

const openai = createOpenAI({ baseURL: URL_ + '/v1', apiKey: 'none' });
const compatible = createOpenAICompatible({ name: 'headroom', baseURL: URL_ + '/v1', includeUsage: true, supportsStructuredOutputs: true });
const WAYS = { responses: name => openai(name), chat: name => openai.chat(name), compatible: name => compatible(name) };
const asked = { prompt: QUESTION, maxRetries: 0 };
const weather = execute => tool({ description: 'Weather', inputSchema: Weather, execute });

for (const [way, model] of Object.entries(WAYS)) {
        test(`${way}: a text, whole and as a stream`, async () => {
                const still = { ...asked, model: model('demo'), temperature: 0, maxOutputTokens: 12 };
                const whole = await generateText(still);
                assert.ok(whole.text.length > 10);
                assert.deepEqual([whole.finishReason, whole.usage.outputTokens], ['length', 12]);
                const stream = streamText(still);
                assert.equal((await all(stream.textStream)).join(''), whole.text);
                assert.deepEqual([await stream.finishReason, (await stream.usage).totalTokens], ['length', whole.usage.totalTokens]);
        });

        test(`${way}: a conversation that goes on with what was answered`, async () => {
                for (const name of ['demo', 'thinks']) {
                        const still = { model: model(name), maxRetries: 0, temperature: 0, maxOutputTokens: 1, system: 'Be brief.',
                                providerOptions: { openai: { store: false } } };  // else it refers to what was answered, which nobody keeps
                        const messages = [{ role: 'user', content: 'Hello' }];
                        const first = await generateText({ ...still, messages });
                        messages.push(...first.response.messages, { role: 'user', content: [{ type: 'text', text: QUESTION }] });
                        const second = await generateText({ ...still, messages });
                        assert.ok(second.text.length > 0 && second.usage.inputTokens > first.usage.inputTokens + 3);
                }
        });

        test(`${way}: a structured answer`, async () => {
                const { output } = await generateText({ ...asked, model: model('noise'), maxOutputTokens: 300, output: Output.object({ schema: Weather }) });
                assert.ok(isWeather(output));
                const stream = streamText({ ...asked, model: model('noise'), maxOutputTokens: 300, output: Output.object({ schema: Weather }) });
                const partial = await all(stream.partialOutputStream);
                assert.ok(isWeather(partial.at(-1)));
        });

        test(`${way}: tools in several steps`, async () => {
                const called = [];
                const steps = { ...asked, model: model('calls'), temperature: 0, maxOutputTokens: 1, stopWhen: stepCountIs(3), system: 'Call.',
                        tools: { get_weather: weather(args => { called.push(args); return 'Sunny.'; }) } };
                // The model forgets the days, so the client refuses its calls; where it must call, it cannot.
                const whole = await generateText({ ...steps, model: model('noise'), maxOutputTokens: 300, toolChoice: 'required' });
                assert.equal(whole.steps.length, 3);
                assert.equal(called.length, 3);
                assert.ok(called.every(isWeather));
                assert.deepEqual(whole.steps.map(s => s.finishReason), Array(3).fill('tool-calls'));

                const stream = streamText({ ...steps, stopWhen: stepCountIs(2) });
                const parts = await all(stream.fullStream);
                const calls = parts.filter(p => p.type === 'tool-call');
                assert.deepEqual(calls.map(c => [c.toolName, c.input]), Array(2).fill(['get_weather', { city: 'Paris' }]));
                assert.deepEqual(parts.filter(p => p.type === 'error').map(p => String(p.error)), []);
        });

        test(`${way}: reasoning`, async () => {
                const thinks = { ...asked, model: model('thinks'), temperature: 0, maxOutputTokens: 1 };
                const whole = await generateText(thinks);
                assert.deepEqual([whole.text, way === 'chat' ? 'Hm.' : whole.reasoningText], ['Yes.', 'Hm.']);  // that of chats has no place for it
                const parts = await all(streamText(thinks).fullStream);
                assert.equal(parts.filter(p => p.type === 'text-delta').map(p => p.text).join(''), 'Yes.');
                if (way !== 'chat')
                        assert.equal(parts.filter(p => p.type === 'reasoning-delta').map(p => p.text).join(''), 'Hm.');
        });

        test(`${way}: a stream that is left`, async () => {
                const controller = new AbortController();
                let pieces = 0, aborted = false;
                const stream = streamText({ ...asked, model: model('noise'), maxOutputTokens: 1900, abortSignal: controller.signal, onAbort: () => { aborted = true; } });
                for await (const part of stream.fullStream)
                        if (part.type === 'text-delta' && ++pieces === 3)
                                controller.abort();
                assert.ok(aborted && pieces < 1000);
        });

        test(`${way}: errors`, async () => {
                const missing = await refusal(generateText({ ...asked, model: model('none') }));
                assert.ok(APICallError.isInstance(missing), String(missing));
                assert.deepEqual([missing.statusCode, missing.isRetryable], [404, false]);
                assert.match(missing.message, /no model/);
                const long = await refusal(generateText({ ...asked, model: model('demo'), prompt: 'word '.repeat(2000) }));
                assert.equal(long.statusCode, 400);
                assert.match(long.message, /maximum context length/);
        });
}

test('a reference to what was answered', async () => {
        const messages = [{ role: 'user', content: 'Hello' }];
        const still = { model: openai('demo'), maxRetries: 0, maxOutputTokens: 16 };
        messages.push(...(await generateText({ ...still, messages })).response.messages, { role: 'user', content: QUESTION });
        assert.match((await refusal(generateText({ ...still, messages }))).message, /keeps no items.*store: false/);
});

test('a completion', async () => {
        const { text } = await generateText({ ...asked, model: openai.completion('demo'), temperature: 0, maxOutputTokens: 8 });
        assert.ok(text.length > 0);
});

test('embeddings', async () => {
        for (const model of [openai.embedding('demo'), compatible.embeddingModel('demo')]) {
                const { embeddings, usage } = await embedMany({ model, values: [QUESTION, 'x'] });
                assert.deepEqual([embeddings.length, embeddings[0].length > 50, usage.tokens > 2], [2, true, true]);
        }
});

test('a key, and its limits', async () => {
        const at = key => createOpenAI({ baseURL: GUARDED + '/v1', apiKey: KEYS[key] ?? key })('demo');
        assert.equal((await refusal(generateText({ ...asked, model: at('wrong') }))).statusCode, 401);
        const started = performance.now();
        await Promise.all([1, 2].map(() => generateText({ model: at('slow'), prompt: QUESTION, maxOutputTokens: 16, maxRetries: 3 })));
        assert.ok(performance.now() - started > 900);  // Retry-After was waited for
});
