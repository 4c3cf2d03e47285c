// The server the official conformance suite is run against: both eras on one /mcp, on the official
// 2.x SDK. 2025 requests get a session with resumable streams, 2026-07-28 requests none.
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import {
  completable,
  createMcpHandler,
  isLegacyRequest,
  McpServer,
  ResourceTemplate,
  WebStandardStreamableHTTPServerTransport,
} from '@modelcontextprotocol/server';
import {
  localhostHostValidation,
  localhostOriginValidation,
  toNodeHandler,
} from '@modelcontextprotocol/node';
import * as z from 'zod/v4';
import { registerInput, states } from './conformance_input.mjs';
import { png, registerTools, text } from './conformance_tools.mjs';

const user = (content) => ({ role: 'user', content });

function registerPrompts(server) {
  const prompt = (name, argsSchema, run) =>
    server.registerPrompt(
      name,
      { description: `Conformance: ${name}`, ...(argsSchema && { argsSchema }) },
      run,
    );
  prompt('test_simple_prompt', undefined, async () => ({
    messages: [user(text('This is a simple prompt for testing.'))],
  }));
  const words = ['paris', 'park', 'party'];
  const arg1 = completable(z.string(), (value) => words.filter((word) => word.startsWith(value)));
  prompt('test_prompt_with_arguments', z.object({ arg1, arg2: z.string() }), async (args) => ({
    messages: [user(text(`Prompt with arguments: arg1='${args.arg1}', arg2='${args.arg2}'`))],
  }));
  prompt(
    'test_prompt_with_embedded_resource',
    z.object({ resourceUri: z.string() }),
    async ({ resourceUri }) => {
      const resource = {
        uri: resourceUri,
        mimeType: 'text/plain',
        text: 'Embedded resource content for testing.',
      };
      return {
        messages: [
          user({ type: 'resource', resource }),
          user(text('Please process the embedded resource above.')),
        ],
      };
    },
  );
  prompt('test_prompt_with_image', undefined, async () => ({
    messages: [
      user({ type: 'image', data: png, mimeType: 'image/png' }),
      user(text('Please analyze the image above.')),
    ],
  }));
}

function registerResources(server) {
  const resource = (name, where, mimeType, read) =>
    server.registerResource(
      name,
      where,
      { description: `Conformance: ${name}`, mimeType },
      async (uri, variables) => ({
        contents: [{ uri: uri.href, mimeType, ...read(variables) }],
      }),
    );
  const static_text = 'This is the content of the static text resource.';
  resource('static-text', 'test://static-text', 'text/plain', () => ({ text: static_text }));
  resource('static-binary', 'test://static-binary', 'image/png', () => ({ blob: png }));
  resource('watched-resource', 'test://watched-resource', 'text/plain', () => ({
    text: 'watched',
  }));
  const template = new ResourceTemplate('test://template/{id}/data', { list: undefined });
  resource('template', template, 'application/json', ({ id }) => ({
    text: JSON.stringify({ id, templateTest: true, data: `Data for ID: ${id}` }),
  }));
}

function make({ era }) {
  const legacy = era === 'legacy';
  const capabilities = {
    tools: { listChanged: true },
    prompts: { listChanged: true },
    resources: { listChanged: true, ...(legacy && { subscribe: true }) },
    completions: {},
    logging: {},
  };
  const server = new McpServer(
    { name: 'conformance', version: '1' },
    { capabilities, requestState: { verify: states.verify } },
  );
  registerTools(server, era);
  registerPrompts(server);
  registerResources(server);
  if (legacy) {
    for (const method of ['resources/subscribe', 'resources/unsubscribe']) {
      server.server.setRequestHandler(method, async () => ({}));
    }
  } else {
    registerInput(server, modern.notify);
  }
  return server;
}

// The events of one session's streams, in order. An event id is "STREAM/NUMBER".
class EventStore {
  #events = [];

  async storeEvent(streamId, message) {
    this.#events.push({ streamId, message });
    return `${streamId}/${this.#events.length}`;
  }

  async getStreamIdForEventId(id) {
    return id.slice(0, id.lastIndexOf('/'));
  }

  async replayEventsAfter(id, { send }) {
    const streamId = await this.getStreamIdForEventId(id);
    const after = Number(id.slice(id.lastIndexOf('/') + 1));
    for (const [index, event] of this.#events.entries()) {
      // A priming event is stored as an empty message; it has been seen, or says nothing.
      const real = Object.keys(event.message).length > 0;
      if (index >= after && event.streamId === streamId && real)
        await send(`${streamId}/${index + 1}`, event.message);
    }
    return streamId;
  }
}

const sessions = new Map();

// Without an id the transport accepts nothing but initialize, and refuses the rest by itself.
async function openSession() {
  const transport = new WebStandardStreamableHTTPServerTransport({
    sessionIdGenerator: randomUUID,
    eventStore: new EventStore(),
    retryInterval: 100,
    onsessioninitialized: (id) => void sessions.set(id, transport),
    onsessionclosed: (id) => void sessions.delete(id),
  });
  await make({ era: 'legacy' }).connect(transport);
  return transport;
}

async function serveLegacy(request) {
  const id = request.headers.get('mcp-session-id');
  if (id !== null && !sessions.has(id)) {
    const error = { code: -32001, message: 'Session not found' };
    return Response.json({ jsonrpc: '2.0', error, id: null }, { status: 404 });
  }
  return (sessions.get(id) ?? (await openSession())).handleRequest(request);
}

const modern = createMcpHandler(make, { legacy: 'reject' });
const handle = toNodeHandler({
  fetch: async (request, options) =>
    (await isLegacyRequest(request)) ? serveLegacy(request) : modern.fetch(request, options),
});
const guards = [localhostHostValidation(), localhostOriginValidation()];
const http = createServer((req, res) => {
  if (guards.every((accepts) => accepts(req, res))) void handle(req, res);
});
const path = process.argv[2];
if (path !== undefined) http.listen(path, () => console.log(`listening unix:${path}`));
else http.listen(0, '127.0.0.1', () => console.log(`listening 127.0.0.1:${http.address().port}`));
