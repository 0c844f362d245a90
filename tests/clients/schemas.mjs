// schemas.mjs - forty types as zod writes them and as many as pydantic does: answers and arguments are of the type, in each way to ask for one.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import Ajv from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import OpenAI, { BadRequestError } from 'openai';
import { zodFunction, zodResponseFormat, zodResponsesFunction, zodTextFormat } from 'openai/helpers/zod';
import { z } from 'zod';
import { ASKED, NOISE, QUESTION, refusal, URL_ } from './common.mjs';

const client = new OpenAI({ baseURL: URL_ + '/v1', apiKey: 'none', maxRetries: 0 });
const chat = { model: 'noise', messages: ASKED, seed: 1, max_tokens: 1500, ...NOISE };
const response = { model: 'noise', input: QUESTION, seed: 1, max_output_tokens: 1500, ...NOISE };
const forced = { type: 'function', function: { name: 'f' } };

const Tree = z.object({ name: z.string().max(9), get children() { return z.array(Tree).max(2); } });
const TYPES = {
        'a text': z.string(), 'a text of a length': z.string().min(3).max(8), 'a pattern': z.string().regex(/^[A-Z]{2}-\d{4}$/),
        'a beginning': z.string().startsWith('https://'), 'an end': z.string().endsWith('.').max(40), 'lower case': z.string().lowercase(),
        email: z.email(), 'email of a length': z.email().max(40), uuid: z.uuid(), 'uuid v7': z.uuidv7(), guid: z.guid(), url: z.url(),
        ipv4: z.ipv4(), ipv6: z.ipv6(), cidr: z.cidrv4(), date: z.iso.date(), time: z.iso.time(),
        datetime: z.iso.datetime(), duration: z.iso.duration(), nanoid: z.nanoid(), cuid2: z.cuid2(), ulid: z.ulid(),
        'a telephone number': z.e164(), 'an integer': z.int(), 'an integer between': z.int().min(-3).max(12), 'a number': z.number(),
        'a number between': z.number().gt(0.1).lt(0.9), 'a multiple': z.int().multipleOf(5).max(1000), truth: z.boolean(), nothing: z.null(),
        'a literal': z.literal('a'), 'literals': z.literal(['a', 1, true]), 'an enum': z.enum(['red', 'green']), 'or nothing': z.string().max(5).nullable(),
        'a list': z.array(z.int()).min(1).max(3), 'a union': z.union([z.string().max(5), z.int(), z.array(z.boolean())]),
        'a union told apart': z.discriminatedUnion('kind', [z.object({ kind: z.literal('a'), x: z.int() }), z.object({ kind: z.literal('b'), y: z.boolean() })]),
        recursion: Tree, 'an object in an object': z.object({ at: z.object({ x: z.number(), y: z.number() }), tags: z.array(z.enum(['a', 'b'])).max(2) }),
        'described': z.string().max(9).describe('A name').meta({ title: 'Name', examples: ['Ada'] }),
};

// What the helpers of the package openai do not let through as strict.
const LOOSE = {
        base64: z.base64(), base64url: z.base64url(), 'a tuple': z.tuple([z.string().max(5), z.boolean()]), 'a record': z.record(z.string().max(5), z.boolean()),
        'a loose object': z.looseObject({ a: z.int() }), 'a member that may lack': z.object({ a: z.int().optional(), b: z.int().default(1) }),
};

// Runs ATTEMPT for each of ROWS, a few at a time; all that failed is told together.
async function each(rows, attempt) {
        const wrong = [], waiting = Object.entries(rows);
        await Promise.all([1, 2, 3, 4].map(async () => {
                for (let row; (row = waiting.shift());)
                        await attempt(...row).catch(error => wrong.push(`${row[0]}: ${error.message}`));
        }));
        assert.deepEqual(wrong, []);
}

const is_of = (type, value) => assert.ok(z.object({ value: type }).strict().safeParse(value).success, JSON.stringify(value));

test('zod, as the form of a chat', () => each(TYPES, async (name, type) => {
        const { choices } = await client.chat.completions.parse({ ...chat, response_format: zodResponseFormat(z.object({ value: type }), 'answer') });
        is_of(type, choices[0].message.parsed);
}));

test('zod, as the form of a response', () => each(TYPES, async (name, type) => {
        const { output_parsed } = await client.responses.parse({ ...response, text: { format: zodTextFormat(z.object({ value: type }), 'answer') } });
        is_of(type, output_parsed);
}));

test('zod, as what a tool is given', () => each(TYPES, async (name, type) => {
        const tool = zodFunction({ name: 'f', parameters: z.object({ value: type }) });
        const { choices } = await client.chat.completions.parse({ ...chat, tools: [tool], tool_choice: forced });
        is_of(type, choices[0].message.tool_calls[0].function.parsed_arguments);
        const loose = { type: 'function', function: { ...tool.function, strict: false } };
        const again = await client.chat.completions.create({ ...chat, seed: 2, tools: [loose], tool_choice: forced });
        is_of(type, JSON.parse(again.choices[0].message.tool_calls[0].function.arguments));
}));

test('zod, as what a tool of a response is given', () => each(TYPES, async (name, type) => {
        const tool = zodResponsesFunction({ name: 'f', parameters: z.object({ value: type }) });
        const { output } = await client.responses.parse({ ...response, tools: [tool], tool_choice: { type: 'function', name: 'f' } });
        is_of(type, output[0].parsed_arguments);
}));

test('zod, where it is not strict', () => each({ ...TYPES, ...LOOSE }, async (name, type) => {
        const schema = z.toJSONSchema(z.object({ value: type }));
        const { choices } = await client.chat.completions.create({ ...chat, response_format: { type: 'json_schema', json_schema: { name: 'answer', schema } } });
        is_of(type, JSON.parse(choices[0].message.content));
}));

test('zod, of what cannot be held', () => each({ money: z.number().multipleOf(0.01), emoji: z.emoji(), hostname: z.hostname() }, async (name, type) => {
        const response_format = zodResponseFormat(z.object({ value: type }), 'answer');
        const strict = await refusal(client.chat.completions.create({ ...chat, response_format }));
        assert.equal(strict.constructor, BadRequestError);
        assert.match(strict.message, /#\/properties\/value/);
        const loose = { ...response_format, json_schema: { ...response_format.json_schema, strict: false } };
        const { response: headers } = await client.chat.completions.create({ ...chat, max_tokens: 1, response_format: loose }).withResponse();
        assert.match(headers.headers.get('x-headroom-relaxed'), /^response_format#\/properties\/value\/(multipleOf|pattern)$/);
}));

const PYDANTIC = Object.fromEntries(readFileSync(process.env.HEADROOM_ROOT + '/tests/unit/engine/json_schema/client_schemas.jsonl', 'utf8').trim().split('\n')
        .map(line => JSON.parse(line)).filter(row => row.library.startsWith('pydantic')).map(row => [row.name, row]));
const ajv = addFormats(new Ajv({ strict: false, logger: false }));
const check = (schema, value) => {
        const ours = JSON.parse(JSON.stringify(schema).replaceAll('(?P<', '(?<'));  // Python's way to name a group
        assert.ok(ajv.validate(ours, value), JSON.stringify(value) + ajv.errorsText());
};

test('there are forty of each', () => {
        assert.ok(Object.keys(TYPES).length >= 40 && Object.keys(PYDANTIC).length >= 40);
});

test('pydantic, as the form of a chat', () => each(PYDANTIC, async (name, { schema, relaxed }) => {
        const ask = strict => client.chat.completions.create({ ...chat, response_format: { type: 'json_schema', json_schema: { name: 'answer', schema, strict } } });
        const { data, response: { headers } } = await ask(false).withResponse();
        const value = JSON.parse(data.choices[0].message.content);
        assert.equal(headers.get('x-headroom-relaxed'), relaxed ? 'response_format' + relaxed : null);
        if (relaxed) {
                assert.equal((await refusal(ask(true))).status, 400);
        } else {
                check(schema, value);
                assert.equal((await ask(true)).choices[0].finish_reason, 'stop');
        }
}));

test('pydantic, as what a tool is given', () => each(PYDANTIC, async (name, { schema, relaxed }) => {
        const parameters = { type: 'object', properties: { value: { ...schema, $defs: undefined } }, required: ['value'], additionalProperties: false, $defs: schema.$defs };
        const { choices } = await client.chat.completions.create({ ...chat, tools: [{ type: 'function', function: { name: 'f', parameters } }], tool_choice: forced });
        const value = JSON.parse(choices[0].message.tool_calls[0].function.arguments);
        if (!relaxed)
                check(JSON.parse(JSON.stringify(parameters)), value);
}));
