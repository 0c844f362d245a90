// langchain.mjs - the package @langchain/openai: chats, tools, typed answers, completions, vectors.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AIMessage, HumanMessage, SystemMessage, ToolMessage } from '@langchain/core/messages';
import { tool } from '@langchain/core/tools';
import { ChatOpenAI, OpenAI, OpenAIEmbeddings } from '@langchain/openai';
import { z } from 'zod-3';  // whose schemas this version of the package reads rightly; of later ones it loses the limits of numbers
import { all, CITIES, GUARDED, isWeather, KEYS, QUESTION, refusal, URL_ } from './common.mjs';

const at = (base, apiKey, more) => ({ configuration: { baseURL: base + '/v1' }, apiKey, maxRetries: 0, temperature: 0, ...more });
const chat = (model, more) => new ChatOpenAI(at(URL_, 'none', { model, ...more }));
const Weather = z.object({ city: z.enum(CITIES), days: z.number().int().min(1).max(7) });
const weather = tool(() => 'Sunny.', { name: 'get_weather', description: 'Weather', schema: Weather });

for (const useResponsesApi of [false, true]) {
        const way = useResponsesApi ? 'responses' : 'chats';

        test(`${way}: a text, whole and as a stream`, async () => {
                const model = chat('demo', { maxTokens: 200, useResponsesApi });
                const whole = await model.invoke([new SystemMessage('Be brief.'), new HumanMessage(QUESTION)]);
                assert.ok(whole.text.length > 10);
                assert.ok(whole.usage_metadata.output_tokens > 5);
                const chunks = await all(await model.stream([new SystemMessage('Be brief.'), new HumanMessage(QUESTION)]));
                assert.equal(chunks.map(c => c.text).join(''), whole.text);
                assert.equal(chunks.map(c => c.usage_metadata?.output_tokens ?? 0).reduce((a, b) => a + b), whole.usage_metadata.output_tokens);
        });

        test(`${way}: a call, its result, and what follows`, async () => {
                const forced = chat('noise', { maxTokens: 300, temperature: 1, useResponsesApi }).bindTools([weather], { tool_choice: 'get_weather' });
                const called = await forced.invoke(QUESTION);
                const [call] = called.tool_calls;
                assert.deepEqual([called.tool_calls.length, call.name, typeof call.id], [1, 'get_weather', 'string']);
                assert.ok(isWeather(call.args));
                const chunks = await all(await forced.stream(QUESTION));
                const streamed = chunks.reduce((a, b) => a.concat(b)).tool_calls;
                assert.ok(isWeather(streamed[0].args));
                const result = await weather.invoke(call);
                assert.ok(result instanceof ToolMessage);
                const last = await chat('demo', { maxTokens: 16, useResponsesApi }).invoke([new HumanMessage(QUESTION), called, result]);
                assert.ok(last.text.length > 0);
        });

        test(`${way}: several calls that the model makes by itself`, async () => {
                const { tool_calls } = await chat('calls', { maxTokens: 2, useResponsesApi }).bindTools([weather]).invoke(QUESTION);
                assert.deepEqual(tool_calls.map(c => [c.name, c.args]), Array(2).fill(['get_weather', { city: 'Paris' }]));
        });

        for (const [method, strict] of [['jsonSchema', true], ['jsonSchema', false], ['functionCalling', true], ['functionCalling', false]])
                test(`${way}: a typed answer by ${method}${strict ? ', strict' : ''}`, async () => {
                        const typed = chat('noise', { maxTokens: 300, temperature: 1, useResponsesApi }).withStructuredOutput(Weather, { method, strict, name: 'weather' });
                        assert.ok(isWeather(await typed.invoke(QUESTION)));
                });
}

test('a conversation that the assistant is to go on', async () => {
        const { text } = await chat('demo', { maxTokens: 8 }).invoke([new HumanMessage(QUESTION), new AIMessage('The KV cache')]);
        assert.ok(text.length > 0);
});

test('a completion', async () => {
        const model = new OpenAI(at(URL_, 'none', { model: 'demo', maxTokens: 8 }));
        const whole = await model.invoke('Once upon a time');
        assert.equal((await all(await model.stream('Once upon a time'))).join(''), whole);
});

test('vectors', async () => {
        const vectors = new OpenAIEmbeddings(at(URL_, 'none', { model: 'demo' }));
        const [first, second] = await vectors.embedDocuments([QUESTION, 'x']);
        const alone = await vectors.embedQuery(QUESTION);
        assert.equal(second.length, first.length);
        assert.ok(first.length > 50 && first.every((x, i) => Math.abs(x - alone[i]) < 1e-3));
});

test('a stream that is left', async () => {
        const controller = new AbortController();
        const stream = await chat('noise', { maxTokens: 1900 }).stream(QUESTION, { signal: controller.signal });
        let chunks = 0;
        const left = await refusal((async () => {
                for await (const chunk of stream)
                        if (chunk && ++chunks === 3)
                                controller.abort();
        })());
        assert.match(String(left), /abort/i);
        assert.ok(chunks < 1000);
});

test('errors', async () => {
        assert.equal((await refusal(chat('none').invoke(QUESTION))).status, 404);
        assert.equal((await refusal(new ChatOpenAI(at(GUARDED, 'wrong', { model: 'demo' })).invoke(QUESTION))).status, 401);
        const long = await refusal(chat('demo').invoke('word '.repeat(2000)));
        assert.deepEqual([long.status, long.code], [400, 'context_length_exceeded']);
        const slow = new ChatOpenAI(at(GUARDED, KEYS.slow, { model: 'demo', maxTokens: 1, maxRetries: 4 }));
        assert.equal((await Promise.all([1, 2].map(() => slow.invoke(QUESTION)))).length, 2);
});
