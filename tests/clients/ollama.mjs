// ollama.mjs - the package ollama: each of its calls, those that we refuse too.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Ollama } from 'ollama';
import { z } from 'zod';
import { all, ASKED, GUARDED, isWeather, KEYS, QUESTION, refusal, URL_, Weather } from './common.mjs';

const client = new Ollama({ host: URL_ });
const STILL = { temperature: 0, num_predict: 12 };
const tools = [{ type: 'function', function: { name: 'get_weather', description: 'Weather', parameters: z.toJSONSchema(Weather) } }];
const names = async call => (await call).models.map(m => m.name).sort();

test('what there is', async () => {
        assert.match((await client.version()).version, /^\d+\.\d+\.\d+$/);
        assert.deepEqual(await names(client.list()), ['calls:latest', 'code:latest', 'demo:latest', 'noise:latest', 'thinks:latest']);
        const shown = await client.show({ model: 'demo' });
        assert.equal(shown.model_info['general.architecture'], 'llama');
        assert.ok(shown.capabilities.includes('completion'));
        assert.deepEqual([(await client.show({ model: 'calls:latest' })).capabilities.includes('tools'), shown.details.format], [true, 'gguf']);
});

test('a chat, whole and as a stream', async () => {
        const asked = { model: 'demo', messages: ASKED, options: STILL };
        const whole = await client.chat(asked);
        assert.ok(whole.message.content.length > 10);
        assert.deepEqual([whole.done, whole.done_reason, whole.eval_count, whole.message.role], [true, 'length', 12, 'assistant']);
        assert.ok(whole.total_duration > whole.eval_duration && whole.created_at);
        const parts = await all(await client.chat({ ...asked, stream: true }));
        assert.equal(parts.map(p => p.message.content).join(''), whole.message.content);
        assert.deepEqual(parts.map(p => p.done), [...Array(parts.length - 1).fill(false), true]);
});

test('a gap is filled', async () => {
        const asked = { model: 'code', prompt: 'def add(a, b):', suffix: 'print(add(1, 2))', options: STILL };
        const whole = await client.generate(asked);
        assert.ok(whole.response.length > 0 && whole.prompt_eval_count > asked.suffix.length / 4);
        assert.equal((await all(await client.generate({ ...asked, stream: true }))).map(p => p.response).join(''), whole.response);
        assert.ok((await client.show({ model: 'code' })).capabilities.includes('insert'));
        assert.match((await refusal(client.generate({ ...asked, model: 'demo' }))).message, /not taught to fill a gap/);
});

test('a generation, whole, raw, as a stream, with a system prompt', async () => {
        const whole = await client.generate({ model: 'demo', prompt: QUESTION, options: STILL });
        assert.equal(whole.response, (await client.chat({ model: 'demo', messages: ASKED, options: STILL })).message.content);
        const raw = { model: 'demo', prompt: 'Once', raw: true, options: STILL };
        const parts = await all(await client.generate({ ...raw, stream: true }));
        assert.equal(parts.map(p => p.response).join(''), (await client.generate(raw)).response);
        const longer = await client.generate({ model: 'demo', prompt: QUESTION, system: 'Be brief.', options: STILL });
        assert.ok(longer.prompt_eval_count > whole.prompt_eval_count);
        const stopped = await client.generate({ ...raw, options: { ...STILL, stop: [parts[0].response] } });
        assert.equal(stopped.done_reason, 'stop');
});

test('a form', async () => {
        for (const [format, right] of [[z.toJSONSchema(Weather), isWeather], ['json', value => typeof value === 'object']]) {
                const asked = { model: 'noise', messages: ASKED, format, options: { seed: 2, num_predict: 400, temperature: 1 } };
                const { message, done_reason } = await client.chat(asked);
                if (done_reason === 'stop')
                        assert.ok(right(JSON.parse(message.content)));
                else
                        assert.equal(format, 'json');  // noise need not find an end where the form leaves it open
        }
});

test('tools and thinking', async () => {
        const ONE = { temperature: 0, num_predict: 1 };
        const plain = await client.chat({ model: 'calls', messages: ASKED, options: ONE });
        const told = await client.chat({ model: 'calls', messages: ASKED, tools, options: ONE });
        assert.ok(told.prompt_eval_count > plain.prompt_eval_count + 50);
        assert.equal(plain.message.tool_calls, undefined);
        assert.deepEqual(told.message.tool_calls.map(c => [c.function.name, c.function.arguments]), [['get_weather', { city: 'Paris' }]]);
        const parts = await all(await client.chat({ model: 'calls', messages: ASKED, tools, stream: true, options: { ...ONE, num_predict: 2 } }));
        assert.deepEqual(parts.flatMap(p => p.message.tool_calls ?? []).map(c => c.function.arguments), Array(2).fill({ city: 'Paris' }));
        const round = await client.chat({ model: 'calls', tools, options: ONE, messages: [...ASKED,
                { role: 'assistant', content: '', thinking: 'Hm.', tool_calls: [{ function: { name: 'get_weather', arguments: { city: 'Paris', days: 1 } } }] },
                { role: 'tool', tool_name: 'get_weather', content: 'Sunny.' }] });
        assert.ok(round.prompt_eval_count > told.prompt_eval_count);
        const [thought, silent] = await Promise.all([true, false].map(think => client.chat({ model: 'thinks', messages: ASKED, think, options: ONE })));
        assert.deepEqual([thought.message.thinking, thought.message.content], ['Hm.', 'Yes.']);
        assert.equal(silent.message.thinking, undefined);
        const streamed = await all(await client.generate({ model: 'thinks', prompt: QUESTION, think: true, stream: true, options: ONE }));
        assert.deepEqual(['thinking', 'response'].map(k => streamed.map(p => p[k] ?? '').join('')), ['Hm.', 'Yes.']);
});

test('vectors', async () => {
        const many = await client.embed({ model: 'demo', input: [QUESTION, 'x'] });
        assert.equal(many.embeddings.length, 2);
        const one = (await client.embeddings({ model: 'demo', prompt: QUESTION })).embedding;
        const dot = one.reduce((sum, x, i) => sum + x * many.embeddings[0][i], 0) / Math.hypot(...one);
        assert.ok(Math.abs(dot - 1) < 1e-4);
        assert.equal((await client.embed({ model: 'demo', input: 'x', dimensions: 8 })).embeddings[0].length, 8);
        assert.equal((await client.embed({ model: 'demo', input: 'word '.repeat(2000), truncate: true })).embeddings.length, 1);
        assert.equal((await refusal(client.embed({ model: 'demo', input: 'word '.repeat(2000), truncate: false }))).status_code, 400);
});

test('a model is loaded, kept and let go', async () => {
        const loaded = await client.generate({ model: 'thinks', prompt: '', keep_alive: '10m' });
        assert.deepEqual([loaded.done, loaded.done_reason], [true, 'load']);
        const running = (await client.ps()).models.find(m => m.name === 'thinks:latest');
        assert.ok(Math.abs(new Date(running.expires_at) - Date.now() - 600e3) < 60e3);
        assert.equal((await client.generate({ model: 'thinks', prompt: '', keep_alive: 0 })).done_reason, 'unload');
        for (let tries = 0; (await names(client.ps())).includes('thinks:latest'); tries++) {
                assert.ok(tries < 200);
                await new Promise(resolve => setTimeout(resolve, 50));
        }
        assert.equal((await client.chat({ model: 'thinks', messages: [] })).done_reason, 'load');
});

test('what a client may have to hear', async () => {
        assert.equal((await client.pull({ model: 'demo' })).status, 'success');
        assert.equal((await all(await client.pull({ model: 'demo', stream: true }))).at(-1).status, 'success');
        for (const [status, ask] of [
                [404, () => client.chat({ model: 'none', messages: ASKED })], [404, () => client.show({ model: 'none' })],
                [404, () => client.pull({ model: 'none' })], [404, () => client.generate({ model: 'none', prompt: 'x', stream: true })],
                [400, () => client.chat({ model: 'demo', messages: [{ role: 'user', content: 'x', images: ['AAAA'] }] })],
                [400, () => client.chat({ model: 'demo', messages: [{ role: 'user', content: 'word '.repeat(2000) }] })],
                [501, () => client.create({ model: 'x', from: 'demo' })], [501, () => client.copy({ source: 'demo', destination: 'x' })],
                [501, () => client.push({ model: 'demo' })], [501, () => client.delete({ model: 'demo' })]]) {
                const error = await refusal(ask());
                assert.deepEqual([error.name, error.status_code], ['ResponseError', status], String(error));
                assert.match(error.message, /\w+ \w+/);
        }
});

test('a stream that is left', async () => {
        const stream = await client.chat({ model: 'noise', messages: ASKED, stream: true, options: { temperature: 2, num_predict: 1900 } });
        let parts = 0;
        const error = await refusal((async () => {
                for await (const part of stream)
                        if (part.message && ++parts === 3)
                                stream.abort();
        })());
        assert.equal(error.name, 'AbortError');
        assert.ok(parts < 1000);
});

test('a key', async () => {
        const with_key = key => new Ollama({ host: GUARDED, headers: { Authorization: `Bearer ${key}` } });
        assert.deepEqual(await names(with_key(KEYS.small).list()), ['small:latest']);
        assert.equal((await refusal(with_key('wrong').list())).status_code, 401);
});
