// agents.mjs - the package @openai/agents: its loop of a tool and an answer, by responses, which it takes by itself, and by chats.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Agent, MaxTurnsExceededError, OpenAIChatCompletionsModel, OpenAIResponsesModel, Runner, tool } from '@openai/agents';
import OpenAI from 'openai';
import { all, isWeather, QUESTION, refusal, URL_, Weather } from './common.mjs';

const client = new OpenAI({ baseURL: URL_ + '/v1', apiKey: 'none', maxRetries: 0 });
const runner = new Runner({ tracingDisabled: true });

for (const [way, Model] of [['responses', OpenAIResponsesModel], ['chats', OpenAIChatCompletionsModel]]) {
        const asked = [];
        const weather = tool({ name: 'get_weather', description: 'Weather', parameters: Weather, execute: async args => { asked.push(args); return 'Sunny.'; } });
        const agent = more => new Agent({ name: 'Forecaster', instructions: 'Be brief.', model: new Model(client, 'noise'), tools: [weather],
                modelSettings: { toolChoice: 'required', maxTokens: 300, temperature: 1, store: false }, ...more });

        test(`${way}: a tool, and then an answer`, async () => {
                asked.length = 0;
                const result = await runner.run(agent(), QUESTION);  // once it has called, it may choose, and noise says something
                assert.equal(asked.length, 1);
                assert.ok(isWeather(asked[0]));
                assert.ok(result.finalOutput.length > 0);
                assert.deepEqual(result.newItems.map(item => item.type), ['tool_call_item', 'tool_call_output_item', 'message_output_item']);
        });

        test(`${way}: the same as a stream`, async () => {
                asked.length = 0;
                const result = await runner.run(agent(), QUESTION, { stream: true });
                const events = await all(result);
                await result.completed;
                assert.equal(asked.length, 1);
                assert.ok(isWeather(asked[0]));
                const said = events.filter(e => e.type === 'raw_model_stream_event' && e.data.type === 'output_text_delta').map(e => e.data.delta).join('');
                assert.equal(said, result.finalOutput);
                assert.deepEqual(events.filter(e => e.type === 'run_item_stream_event').map(e => e.name), ['tool_called', 'tool_output', 'message_output_created']);
        });

        test(`${way}: a typed answer`, async () => {
                const result = await runner.run(agent({ tools: [], outputType: Weather, modelSettings: { maxTokens: 300, temperature: 1 } }), QUESTION);
                assert.ok(isWeather(result.finalOutput));
        });

        test(`${way}: one agent hands over to another`, async () => {
                const other = agent({ name: 'Answerer', tools: [], handoffDescription: 'Answers', modelSettings: { maxTokens: 16, temperature: 0 } });
                const result = await runner.run(agent({ tools: [], handoffs: [other] }), QUESTION);
                assert.equal(result.lastAgent.name, 'Answerer');
        });

        test(`${way}: a conversation goes on with what was said and called`, async () => {
                const first = await runner.run(agent(), QUESTION);
                const second = await runner.run(agent({ modelSettings: { maxTokens: 16, temperature: 0 } }), [...first.history, { role: 'user', content: 'And tomorrow?' }]);
                assert.ok(second.history.length > first.history.length);
        });

        test(`${way}: a loop without an end, and errors`, async () => {
                const endless = agent({ resetToolChoice: false });
                assert.ok(await refusal(runner.run(endless, QUESTION, { maxTurns: 2 })) instanceof MaxTurnsExceededError);
                assert.equal((await refusal(runner.run(agent({ model: new Model(client, 'none') }), QUESTION))).status, 404);
        });
}
