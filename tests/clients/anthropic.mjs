// anthropic.mjs - the package @anthropic-ai/sdk: messages, their streams, counts, tools, thinking and errors.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import Anthropic, { APIUserAbortError, AuthenticationError, BadRequestError, NotFoundError, RateLimitError } from '@anthropic-ai/sdk';
import { z } from 'zod';
import { all, ASKED, GUARDED, isWeather, KEYS, QUESTION, refusal, URL_, Weather } from './common.mjs';

const client = new Anthropic({ baseURL: URL_, apiKey: 'none', maxRetries: 0 });
const guarded = (key, more) => new Anthropic({ baseURL: GUARDED, apiKey: KEYS[key] ?? key, maxRetries: 0, ...more });
const STILL = { model: 'demo', messages: ASKED, max_tokens: 12, temperature: 0 };
const tools = [{ name: 'get_weather', description: 'Weather', input_schema: z.toJSONSchema(Weather) }];
const asked = { model: 'noise', messages: ASKED, max_tokens: 200, tools, tool_choice: { type: 'tool', name: 'get_weather' } };

test('a message, whole and as a stream', async () => {
        const whole = await client.messages.create({ ...STILL, system: [{ type: 'text', text: 'Be brief.', cache_control: { type: 'ephemeral' } }] });
        assert.deepEqual([whole.type, whole.role, whole.stop_reason, whole.usage.output_tokens], ['message', 'assistant', 'max_tokens', 12]);
        const heard = [];
        const stream = client.messages.stream({ ...STILL, system: 'Be brief.' }).on('text', piece => heard.push(piece));
        const final = await stream.finalMessage();
        assert.deepEqual([final.content, heard.join('')], [whole.content, whole.content[0].text]);
        assert.equal(final.usage.output_tokens, 12);
        const types = (await all(await client.messages.create({ ...STILL, stream: true }))).map(e => e.type).filter(t => t !== 'content_block_delta');
        assert.deepEqual(types, ['message_start', 'content_block_start', 'content_block_stop', 'message_delta', 'message_stop']);
});

test('tokens are counted', async () => {
        const counted = await client.messages.countTokens({ model: 'demo', messages: ASKED });
        const { usage } = await client.messages.create(STILL);
        assert.equal(counted.input_tokens, usage.input_tokens + usage.cache_read_input_tokens);
});

test('a tool is used, and its result goes back', async () => {
        const called = await client.messages.create(asked);
        assert.equal(called.stop_reason, 'tool_use');
        const block = called.content.find(b => b.type === 'tool_use');
        assert.equal(block.name, 'get_weather');
        assert.ok(isWeather(block.input));

        const pieces = [];
        const stream = client.messages.stream(asked).on('inputJson', piece => pieces.push(piece));
        const input = (await stream.finalMessage()).content.find(b => b.type === 'tool_use').input;
        assert.deepEqual(JSON.parse(pieces.join('')), input);
        assert.ok(isWeather(input));

        const next = await client.messages.create({ ...asked, max_tokens: 1, tool_choice: { type: 'auto' }, temperature: 0, messages: [...ASKED,
                { role: 'assistant', content: called.content },
                { role: 'user', content: [{ type: 'tool_result', tool_use_id: block.id, content: 'Sunny.' }, { type: 'text', text: 'And tomorrow?' }] }] });
        assert.equal(next.stop_reason, 'max_tokens');
});

test('several calls that the model makes by itself', async () => {
        const whole = await client.messages.create({ ...asked, model: 'calls', tool_choice: { type: 'auto' }, max_tokens: 2, temperature: 0 });
        assert.deepEqual(whole.content.map(b => [b.type, b.name, b.input]), Array(2).fill(['tool_use', 'get_weather', { city: 'Paris' }]));
        assert.equal(new Set(whole.content.map(b => b.id)).size, 2);
});

test('thinking', async () => {
        const thinks = { ...STILL, model: 'thinks', max_tokens: 1, thinking: { type: 'enabled', budget_tokens: 1024 } };
        const whole = await client.messages.create(thinks);
        assert.deepEqual(whole.content.map(b => [b.type, b.thinking ?? b.text]), [['thinking', 'Hm.'], ['text', 'Yes.']]);
        assert.equal(typeof whole.content[0].signature, 'string');
        const heard = [];
        const stream = client.messages.stream(thinks).on('thinking', piece => heard.push(piece));
        assert.deepEqual([(await stream.finalMessage()).content, heard.join('')], [whole.content, 'Hm.']);
        const silent = await client.messages.create({ ...thinks, thinking: { type: 'disabled' } });
        assert.deepEqual(silent.content.map(b => b.type), ['text']);
});

test('a stop sequence', async () => {
        const [{ text }] = (await client.messages.create(STILL)).content;
        const word = text.split(' ')[2];
        const cut = await client.messages.create({ ...STILL, stop_sequences: [word] });
        assert.deepEqual([cut.stop_reason, cut.stop_sequence, cut.content[0].text], ['stop_sequence', word, text.slice(0, text.indexOf(word))]);
});

test('models', async () => {
        assert.ok((await all(client.models.list())).some(m => m.id === 'demo'));
        assert.equal((await client.models.retrieve('demo')).id, 'demo');
});

test('a stream that is left', async () => {
        const stream = client.messages.stream({ ...STILL, model: 'noise', max_tokens: 1900 });
        let pieces = 0;
        stream.on('text', () => { if (++pieces === 3) stream.abort(); });
        assert.equal((await refusal(stream.done())).constructor, APIUserAbortError);
        assert.ok(pieces < 1000);
});

test('classes of errors', async () => {
        for (const [kind, type, ask] of [
                [NotFoundError, 'not_found_error', () => client.messages.create({ ...STILL, model: 'claude-none' })],
                [NotFoundError, 'not_found_error', () => client.messages.stream({ ...STILL, model: 'claude-none' }).finalMessage()],
                [BadRequestError, 'invalid_request_error', () => client.messages.create({ ...STILL, messages: [{ role: 'user', content: 'word '.repeat(2000) }] })],
                [BadRequestError, 'invalid_request_error', () => client.messages.create({ ...STILL, tools: [{ type: 'web_search_20250305', name: 'web_search' }] })],
                [AuthenticationError, 'authentication_error', () => guarded('wrong').messages.create(STILL)]]) {
                const error = await refusal(ask());
                assert.equal(error.constructor, kind, String(error));
                assert.deepEqual([error.error.type, error.error.error.type, error.type], ['error', type, type]);
                assert.match(error.requestID ?? error.error.request_id, /\w/);
        }
        const long = await refusal(client.messages.create({ ...STILL, messages: [{ role: 'user', content: 'word '.repeat(2000) }] }));
        assert.match(long.message, /prompt is too long: \d+ tokens > \d+ maximum/);
});

test('limits of a key', async () => {
        await guarded('spent', { maxRetries: 0 }).messages.create(STILL).catch(() => {});
        const refused = await refusal(guarded('spent', { maxRetries: 2 }).messages.create(STILL));
        assert.deepEqual([refused.constructor, refused.type], [RateLimitError, 'rate_limit_error']);
        const slow = guarded('slow', { maxRetries: 3 });
        const started = performance.now();
        await Promise.all([1, 2].map(() => slow.messages.create({ ...STILL, max_tokens: 1 })));
        assert.ok(performance.now() - started > 900);
});
