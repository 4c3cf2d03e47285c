// early_stream with real clients: a call that takes longer than the client's own fetch waits, to a
// server that answers in plain JSON. The same call without early_stream fails, and while it does so
// the other one provably outlives the limit.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import test, { after } from 'node:test';
import { Agent, fetch as undiciFetch } from 'undici';
import { dialects } from './clients.mjs';
import { direct, within } from './lib.mjs';
import { startJson, startTarget } from './programs.mjs';

if (direct) {
  console.log('# without Holdfast there is only the control, which is part of the test');
  process.exit(77);
}

// The client's own limits; Node's are 300 s each. undici looks at its clock once in a second.
const limit_ms = 1500;
const impatient = new Agent({ headersTimeout: limit_ms, bodyTimeout: limit_ms });
const impatientFetch = (url, init) => undiciFetch(url, { ...init, dispatcher: impatient });

const target = await startTarget(startJson, '', {
  location: 'early_stream 200ms; sse_heartbeat 300ms;',
  server: 'location /plain/ { proxy_pass http://backend; }',
});
after(async () => {
  await impatient.close();
  await target.stop();
});

async function withClients(dialect, body) {
  const options = { fetch: impatientFetch };
  const connect = (path) => dialect.connect(target.url + path, 'client', options);
  const early = await connect('/mcp');
  const plain = await connect('/plain/mcp');
  try {
    await body(early, plain, randomBytes(8).toString('hex'));
  } finally {
    await early.close();
    await plain.close();
  }
}

// Two in a row: once for the time until a head comes, once for the time between pieces of a body.
async function outlastTheLimits(plain) {
  for (let i = 0; i < 2; ++i) {
    const token = randomBytes(8).toString('hex');
    await assert.rejects(plain.call('slow', { token }), (error) => {
      assert.match(`${error.cause?.name} ${error.cause?.message}`, /Headers ?Timeout/i, error.stack);
      return true;
    });
    await plain.call('open', { token }); // the server need not wait for ever
  }
}

// What the server's tool says.
const awkward = 'line\nfeed\r\n"quoted" \\ grüße, 世界 \u{1f980} data: x\n\nevent: y';

for (const name of ['sdk1Streamable', 'sdk2Streamable']) {
  const dialect = dialects[name];

  test(`${name}_gets_the_answer_of_a_call_slower_than_its_own_limit`, () =>
    withClients(dialect, async (early, plain, token) => {
      const answer = early.call('slow', { token });
      await outlastTheLimits(plain);
      await plain.call('open', { token });
      assert.equal(await answer, awkward);
      const { headers } = early.http.past.findLast((e) => e.method === 'POST');
      assert.equal(headers.get('content-type'), 'text/event-stream');
    }));

  test(`${name}_is_told_when_the_server_breaks_off_such_a_call`, () =>
    withClients(dialect, async (early, plain, token) => {
      const refused = assert.rejects(early.call('die', { token }), { code: -32000, message: /backend/ });
      await outlastTheLimits(plain);
      await plain.call('open', { token });
      await refused;
    }));
}

// The response to one call, over a session of its own: asked for when its answer is ready, or, as
// `slow`, before.
async function rawAnswer(url, token, { slow }) {
  const post = (id, body) =>
    fetch(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        ...(id && { 'mcp-session-id': id, 'mcp-protocol-version': '2025-11-25' }),
      },
      body: JSON.stringify({ jsonrpc: '2.0', ...body }),
    });
  const clientInfo = { name: 'raw', version: '1' };
  const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo };
  const opened = await post(undefined, { id: 0, method: 'initialize', params });
  await opened.text();
  const session = opened.headers.get('mcp-session-id');
  await (await post(session, { method: 'notifications/initialized' })).text();
  const tool = (id, name) => post(session, { id, method: 'tools/call', params: { name, arguments: { token } } });
  const answer = slow ? await tool(7, 'slow') : undefined;
  await (await tool(8, 'open')).text();
  return answer ?? tool(7, 'slow');
}

test('the_bytes_of_the_json_are_the_server_s_own', async () => {
  const plain = await within('the server itself', rawAnswer(`${target.backendUrl}/mcp`, 'a', { slow: false }));
  assert.match(plain.headers.get('content-type'), /^application\/json/);
  const wanted = await plain.text();
  // With early_stream the head comes although nobody has opened the gate yet.
  const early = await within('through Holdfast', rawAnswer(`${target.url}/mcp`, 'b', { slow: true }));
  assert.equal(early.headers.get('content-type'), 'text/event-stream');
  const lines = (await early.text()).split('\n').filter((line) => line !== '' && !line.startsWith(':'));
  assert.deepEqual(lines, ['event: message', `data: ${wanted}`]);
});
