// A server of the 2025 era on the official 1.x SDK that answers in plain JSON, as many do: a call
// that takes long says nothing at all until its end. `slow` ends when `open` is called with its
// token, `die` breaks the connection off at that moment. What it says by itself, as when `update` is
// called, has one GET stream per session to go down, and is not stored.
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import * as z from 'zod/v4';

const text = (value) => ({ content: [{ type: 'text', text: value }] });

// One promise per token, made by whoever asks first: the call that waits or the one that opens.
const gates = new Map();
function gate(token) {
  if (!gates.has(token)) gates.set(token, Promise.withResolvers());
  return gates.get(token);
}

// Whose connection `die` breaks, by the token in its body.
const sockets = new Map();

// Everything that may go wrong when JSON travels inside an event: escapes, line ends, wide text.
const awkward = 'line\nfeed\r\n"quoted" \\ grüße, 世界 \u{1f980} data: x\n\nevent: y';

function make() {
  const server = new McpServer(
    { name: 'json', version: '1' },
    { capabilities: { resources: { subscribe: true } } },
  );
  const token = { inputSchema: z.object({ token: z.string() }) };
  server.registerTool('slow', token, async (args) => {
    await gate(args.token).promise;
    return text(awkward);
  });
  server.registerTool('die', token, async (args) => {
    await gate(args.token).promise;
    sockets.get(args.token).destroy();
    return text('nobody reads this');
  });
  server.registerTool('open', token, async (args) => {
    gate(args.token).resolve();
    return text('open');
  });
  server.registerTool('update', { inputSchema: z.object({ uri: z.string() }) }, async ({ uri }) => {
    await server.server.sendResourceUpdated({ uri });
    return text('updated');
  });
  return server;
}

const transports = new Map();

async function transportFor(request) {
  const known = transports.get(request.headers['mcp-session-id']);
  if (known) return known;
  const transport = new StreamableHTTPServerTransport({
    sessionIdGenerator: randomUUID,
    enableJsonResponse: true,
    onsessioninitialized: (id) => transports.set(id, transport),
  });
  await make().connect(transport);
  return transport;
}

async function bodyOf(request) {
  const pieces = [];
  for await (const piece of request) pieces.push(piece);
  return pieces.length === 0 ? undefined : JSON.parse(Buffer.concat(pieces).toString());
}

const http = createServer(async (request, response) => {
  const body = await bodyOf(request);
  if (body?.params?.name === 'die') sockets.set(body.params.arguments.token, request.socket);
  const transport = await transportFor(request);
  await transport.handleRequest(request, response, body);
});
http.listen(0, '127.0.0.1', () => console.log(`listening 127.0.0.1:${http.address().port}`));
