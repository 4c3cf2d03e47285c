// A streamable server on the official 1.x SDK that forgets sessions it has not been asked anything
// for so long: `forgetful_server.mjs MS`. Says what it does: `ping ID`, `forgot COUNT`.
import { createServer } from 'node:http';
import { randomUUID } from 'node:crypto';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import * as z from 'zod/v4';

const idleMs = Number(process.argv[2]);
const sessions = new Map();
let forgotten = 0;

function forget(id) {
  sessions.get(id)?.transport.close();
  sessions.delete(id);
  console.log(`forgot ${++forgotten}`);
}

function touch(id) {
  const session = sessions.get(id);
  clearTimeout(session.timer);
  session.timer = setTimeout(() => forget(id), idleMs);
}

async function open() {
  const server = new McpServer({ name: 'forgetful', version: '1' });
  server.registerTool('echo', { inputSchema: { message: z.string() } }, async ({ message }) => ({
    content: [{ type: 'text', text: `Echo: ${message}` }],
  }));
  const transport = new StreamableHTTPServerTransport({
    sessionIdGenerator: () => randomUUID(),
    onsessioninitialized: (id) => {
      sessions.set(id, { transport });
      touch(id);
    },
  });
  await server.connect(transport);
  return transport;
}

async function body(request) {
  let text = '';
  for await (const piece of request) text += piece;
  return text === '' ? undefined : JSON.parse(text);
}

const http = createServer(async (request, response) => {
  const message = await body(request);
  const id = request.headers['mcp-session-id'];
  if (message?.method === 'ping') console.log(`ping ${JSON.stringify(message.id)}`);
  if (id === undefined && message?.method === 'initialize') {
    return (await open()).handleRequest(request, response, message);
  }
  const session = sessions.get(id);
  if (session === undefined) {
    const error = { code: -32001, message: 'Session not found' };
    response.writeHead(404, { 'content-type': 'application/json' });
    return response.end(JSON.stringify({ jsonrpc: '2.0', error, id: null }));
  }
  if (request.method === 'POST') touch(id);
  return session.transport.handleRequest(request, response, message);
});
http.listen(0, '127.0.0.1', () => console.log(`listening 127.0.0.1:${http.address().port}`));
