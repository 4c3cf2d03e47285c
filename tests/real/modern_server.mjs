// A server of the sessionless 2026-07-28 era on the official 2.x SDK. It answers 2025 requests
// without a session, so that it is also the backend that keeps none. Started as `modern_server.mjs
// [NAME]`; some of its tools tell the name.
import { createServer } from 'node:http';
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server';
import { toNodeHandler } from '@modelcontextprotocol/node';
import * as z from 'zod/v4';

const [, , ownName = 'modern'] = process.argv;

const text = (value) => ({ content: [{ type: 'text', text: value }] });

// One promise per token, made by whoever asks first: the tool that waits or the one that opens.
const gates = new Map();
function gate(kind, token) {
  const key = `${kind} ${token}`;
  if (!gates.has(key)) gates.set(key, Promise.withResolvers());
  return gates.get(key);
}

// Sends a progress message if the caller asked for it, which begins the response.
async function progress(context) {
  const progressToken = context.mcpReq._meta?.progressToken;
  if (progressToken === undefined) return;
  const params = { progressToken, progress: 1, total: 2 };
  await context.mcpReq.notify({ method: 'notifications/progress', params });
}

// Sends one progress message, then returns only when `open` was called: through a proxy that holds
// back the message the client cannot know when to call it.
async function gated({ token }, context) {
  await progress(context);
  await gate('open', token).promise;
  return text(`opened ${token}`);
}

// Never returns; notes when its client has left.
async function endless({ token }, context) {
  await progress(context);
  gate('entered', token).resolve();
  await new Promise((resolve) => {
    if (context.mcpReq.signal.aborted) resolve();
    context.mcpReq.signal.addEventListener('abort', resolve, { once: true });
  });
  gate('left', token).resolve();
  return text('nobody reads this');
}

function make() {
  const server = new McpServer(
    { name: 'modern', version: '1' },
    { capabilities: { tools: { listChanged: true } } },
  );
  const tool = (name, shape, run) =>
    server.registerTool(name, { inputSchema: z.object(shape) }, run);
  const token = { token: z.string() };
  tool('echo', { message: z.string() }, async ({ message }) => text(`Echo: ${message}`));
  for (const name of ['where', 'far_where', 'où']) tool(name, {}, async () => text(ownName));
  tool('poke', {}, async () => {
    handler.notify.toolsChanged();
    return text('poked');
  });
  tool('gated', token, gated);
  tool('open', token, async (args) => {
    gate('open', args.token).resolve();
    return text('open');
  });
  tool('endless', token, endless);
  tool('entered', token, async (args) => gate('entered', args.token).promise.then(() => text('yes')));
  tool('left', token, async (args) => gate('left', args.token).promise.then(() => text('yes')));
  return server;
}

const handler = createMcpHandler(make);
const http = createServer(toNodeHandler(handler));
http.listen(0, '127.0.0.1', () => console.log(`listening 127.0.0.1:${http.address().port}`));
