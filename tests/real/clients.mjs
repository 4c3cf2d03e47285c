// The official clients behind one small face, so that each scenario is written once. A Session is
// one connected client; its `http` tells every request it made, as the wire saw it.
import { Client as Client1 } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport as Sse1 } from '@modelcontextprotocol/sdk/client/sse.js';
import { StreamableHTTPClientTransport as Streamable1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import {
  CreateMessageRequestSchema,
  ListRootsRequestSchema,
  ResourceUpdatedNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js';
import {
  Client as Client2,
  SSEClientTransport as Sse2,
  StreamableHTTPClientTransport as Streamable2,
} from '@modelcontextprotocol/client';
import { Events, within } from './lib.mjs';

const capabilities = { sampling: {}, roots: {} };

// A fetch that records {method, url, status, headers, requestHeaders} of every response head.
function recorded(events, base = fetch) {
  return async (url, init = {}) => {
    const response = await base(url, init);
    events.push({
      method: (init.method ?? 'GET').toUpperCase(),
      url: String(url),
      status: response.status,
      headers: response.headers,
      requestHeaders: new Headers(init.headers),
    });
    return response;
  };
}

// A fetch whose streams can be broken off from outside, as by a network that fails.
export class Breakable {
  #current = new AbortController();

  fetch = (url, init = {}) => {
    if ((init.method ?? 'GET') !== 'GET') return fetch(url, init);
    this.#current = new AbortController();
    const signals = [this.#current.signal, init.signal].filter(Boolean);
    return fetch(url, { ...init, signal: AbortSignal.any(signals) });
  };

  breakOff() {
    this.#current.abort(new Error('the network failed'));
  }
}

class Session {
  http = new Events();
  updates = new Events(); // URIs of notifications/resources/updated
  samplings = 0;

  constructor(marker, client, transport, callTool) {
    this.marker = marker;
    this.client = client;
    this.transport = transport;
    this.callTool = callTool;
  }

  // Answers a server's sampling request with text only this session knows.
  sample() {
    this.samplings += 1;
    return { model: 'test', role: 'assistant', content: { type: 'text', text: this.marker } };
  }

  // The text of the tool's first content block.
  async call(name, args = {}, options = {}) {
    const result = await within(`tools/call ${name}`, this.callTool({ name, arguments: args }, options));
    if (result.isError) throw new Error(`${name}: ${JSON.stringify(result)}`);
    return result.content[0].text;
  }

  // The response head of the stream that carries what the server sends by itself.
  stream() {
    return this.http.wait('an open GET stream', (e) => e.method === 'GET' && e.status === 200);
  }

  get id() {
    return this.transport.sessionId;
  }

  async close() {
    await this.client.close();
  }
}

// `options.fetch` is used instead of the global one; the other options are the transport's own.
function transportOptions(session, { fetch: base, ...options } = {}) {
  return { ...options, fetch: recorded(session.http, base) };
}

async function connect1(Transport, url, marker, options) {
  const client = new Client1({ name: marker, version: '1.0.0' }, { capabilities });
  const session = new Session(marker, client, undefined, (params, options) =>
    client.callTool(params, undefined, options),
  );
  session.transport = new Transport(new URL(url), transportOptions(session, options));
  client.setRequestHandler(CreateMessageRequestSchema, async () => session.sample());
  client.setRequestHandler(ListRootsRequestSchema, async () => ({ roots: [] }));
  client.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) =>
    session.updates.push(params.uri),
  );
  await within('connect', client.connect(session.transport));
  return session;
}

async function connect2(Transport, url, marker, options, negotiation) {
  const client = new Client2(
    { name: marker, version: '1.0.0' },
    { capabilities, ...(negotiation && { versionNegotiation: negotiation }) },
  );
  const session = new Session(marker, client, undefined, (params, options) =>
    client.callTool(params, options),
  );
  session.transport = new Transport(new URL(url), transportOptions(session, options));
  client.setRequestHandler('sampling/createMessage', async () => session.sample());
  client.setRequestHandler('roots/list', async () => ({ roots: [] }));
  client.setNotificationHandler('notifications/resources/updated', ({ params }) =>
    session.updates.push(params.uri),
  );
  await within('connect', client.connect(session.transport));
  return session;
}

// One row per way a client can speak: the name, the backend's path, and how to connect.
export const dialects = {
  sdk1Streamable: { path: '/mcp', connect: (...args) => connect1(Streamable1, ...args) },
  sdk1Legacy: { path: '/sse', connect: (...args) => connect1(Sse1, ...args) },
  sdk2Streamable: { path: '/mcp', connect: (...args) => connect2(Streamable2, ...args) },
  sdk2Legacy: { path: '/sse', connect: (...args) => connect2(Sse2, ...args) },
  sdk2Auto: {
    path: '/mcp',
    connect: (url, marker, options) =>
      connect2(Streamable2, url, marker, options, { mode: 'auto' }),
  },
};
