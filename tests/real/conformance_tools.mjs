// The tools the official conformance suite calls, registered on one server instance of one era.
// Names, texts and schemas are the suite's: its scenarios look for exactly these.
import { setTimeout as delay } from 'node:timers/promises';
import { fromJsonSchema } from '@modelcontextprotocol/server';
import * as z from 'zod/v4';

// One red pixel, and a WAV header without samples.
export const png =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC';
const wav = 'UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA=';

export const text = (value) => ({ type: 'text', text: value });
export const result = (...content) => ({ content });

const embedded = (uri, mimeType, value) => ({
  type: 'resource',
  resource: { uri, mimeType, text: value },
});
const image = { type: 'image', data: png, mimeType: 'image/png' };
const mixed = embedded(
  'test://mixed-content-resource',
  'application/json',
  '{"test":"data","value":123}',
);

// The gap the suite prescribes between two messages of one stream.
const gap_ms = 50;

async function with_logging(_, context) {
  for (const line of ['Tool execution started', 'Tool processing data']) {
    await context.mcpReq.log('info', line);
    await delay(gap_ms);
  }
  await context.mcpReq.log('info', 'Tool execution completed');
  return result(text('logged three lines'));
}

async function with_progress(_, context) {
  const progressToken = context.mcpReq._meta?.progressToken;
  for (const progress of [0, 50, 100]) {
    if (progress !== 0) await delay(gap_ms);
    if (progressToken === undefined) continue;
    const params = { progressToken, progress, total: 100 };
    await context.mcpReq.notify({ method: 'notifications/progress', params });
  }
  return result(text('reported progress'));
}

// Ends its own event stream; the result travels on the stream the client resumes.
async function reconnection(_, context) {
  context.http.closeSSE();
  await delay(2 * gap_ms);
  return result(text('resumed'));
}

// Requests to the client go with mcpReq.send, on the call's own stream. The SDK's shorthands send
// them on the GET stream. Call and GET are two connections, without an order: where the call reaches
// the server first, the request is lost, with a proxy between or without.
async function sampling({ prompt }, context) {
  const params = { messages: [{ role: 'user', content: text(prompt) }], maxTokens: 100 };
  const answer = await context.mcpReq.send({ method: 'sampling/createMessage', params });
  return result(text(`LLM response: ${answer.content.text}`));
}

async function elicit(context, message, properties, required = []) {
  const params = { message, requestedSchema: { type: 'object', properties, required } };
  const { action, content = {} } = await context.mcpReq.send({
    method: 'elicitation/create',
    params,
  });
  return `action=${action}, content=${JSON.stringify(content)}`;
}

async function elicitation({ message }, context) {
  const field = (description) => ({ type: 'string', description });
  const properties = { username: field("User's response"), email: field("User's email address") };
  return result(
    text(`User response: ${await elicit(context, message, properties, Object.keys(properties))}`),
  );
}

const defaults = {
  name: { type: 'string', default: 'John Doe' },
  age: { type: 'integer', default: 30 },
  score: { type: 'number', default: 95.5 },
  status: { type: 'string', enum: ['active', 'inactive', 'pending'], default: 'active' },
  verified: { type: 'boolean', default: true },
};

const plain = ['option1', 'option2', 'option3'];
const titled = (noun) =>
  ['First', 'Second', 'Third'].map((nth, i) => ({
    const: `value${i + 1}`,
    title: `${nth} ${noun}`,
  }));
const enums = {
  untitledSingle: { type: 'string', enum: plain },
  titledSingle: { type: 'string', oneOf: titled('Option') },
  legacyEnum: {
    type: 'string',
    enum: ['opt1', 'opt2', 'opt3'],
    enumNames: ['Option One', 'Option Two', 'Option Three'],
  },
  untitledMulti: { type: 'array', items: { type: 'string', enum: plain } },
  titledMulti: { type: 'array', items: { anyOf: titled('Choice') } },
};

const completed = (properties) => async (_, context) =>
  result(text(`Elicitation completed: ${await elicit(context, 'Please choose', properties)}`));

// Keywords of JSON Schema 2020-12 that a careless relay of tools/list would lose.
const schema_2020_12 = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  $defs: {
    address: {
      $anchor: 'addressDef',
      type: 'object',
      properties: { street: { type: 'string' }, city: { type: 'string' } },
    },
  },
  properties: {
    name: { type: 'string' },
    address: { $ref: '#/$defs/address' },
    contactMethod: { type: 'string', enum: ['phone', 'email'] },
    phone: { type: 'string' },
    email: { type: 'string' },
  },
  allOf: [{ anyOf: [{ required: ['phone'] }, { required: ['email'] }] }],
  if: { properties: { contactMethod: { const: 'phone' } }, required: ['contactMethod'] },
  then: { required: ['phone'] },
  else: { required: ['email'] },
  additionalProperties: false,
};

const region = z.object({ region: z.string().optional().meta({ 'x-mcp-header': 'Region' }) });

// One row per tool: its name, how it answers, and its input if it takes any.
const both_eras = [
  ['test_simple_text', async () => result(text('This is a simple text response for testing.'))],
  ['test_image_content', async () => result(image)],
  ['test_audio_content', async () => result({ type: 'audio', data: wav, mimeType: 'audio/wav' })],
  [
    'test_embedded_resource',
    async () =>
      result(
        embedded('test://embedded-resource', 'text/plain', 'This is an embedded resource content.'),
      ),
  ],
  [
    'test_multiple_content_types',
    async () => result(text('Multiple content types test:'), image, mixed),
  ],
  [
    'test_error_handling',
    async () => {
      throw new Error('This tool intentionally returns an error for testing');
    },
  ],
  ['test_tool_with_progress', with_progress],
  ['json_schema_2020_12_tool', async () => result(text('called')), fromJsonSchema(schema_2020_12)],
  ['test_header_parameter', async (args) => result(text(JSON.stringify(args))), region],
];

// What only the 2025 eras have: requests from the server, log levels, resumable streams.
const legacy_only = [
  ['test_tool_with_logging', with_logging],
  ['test_reconnection', reconnection],
  ['test_sampling', sampling, z.object({ prompt: z.string() })],
  ['test_elicitation', elicitation, z.object({ message: z.string() })],
  ['test_elicitation_sep1034_defaults', completed(defaults)],
  ['test_elicitation_sep1330_enums', completed(enums)],
];

export function registerTool(server, name, run, inputSchema = z.object({})) {
  server.registerTool(name, { description: `Conformance: ${name}`, inputSchema }, run);
}

export function registerTools(server, era) {
  for (const row of both_eras) registerTool(server, ...row);
  if (era === 'legacy') for (const row of legacy_only) registerTool(server, ...row);
}
