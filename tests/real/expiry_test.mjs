// What real clients of the three eras see when the policy ends their session: the stream ends
// cleanly, and from then on the id is 404. One idle client per era; the clock is the daemon's.
import assert from 'node:assert/strict';
import { after } from 'node:test';
import { dialects } from './clients.mjs';
import { direct, within } from './lib.mjs';
import { startEverything, startModern, startTarget } from './programs.mjs';
import { withSession } from './scenarios.mjs';

if (direct) {
  console.log('# nothing expires without Holdfast');
  process.exit(77);
}

const policy = 'session_timeout 2s; session_cleanup_interval 500ms; persistent_mode off;';
const targets = {
  streamable: await startTarget(() => startEverything('streamableHttp'), policy),
  legacy: await startTarget(() => startEverything('sse'), policy),
  modern: await startTarget(startModern, policy),
};
after(async () => {
  for (const target of Object.values(targets)) await target.stop();
});

const deleted = /\[SessionManager\] session deleted \{.*"reason":"idle_timeout"\}/;
const posts = (session) => session.http.past.filter((e) => e.method === 'POST');

async function refused(session) {
  const call = { jsonrpc: '2.0', id: 'late', method: 'tools/list' };
  const { url } = posts(session).at(-1);
  const headers = {
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
    ...(session.id && { 'mcp-session-id': session.id }),
  };
  const answer = await within('POST', fetch(url, { method: 'POST', headers, body: JSON.stringify(call) }));
  assert.equal(answer.status, 404);
  const body = await answer.json();
  assert.equal(body.error.code, -32001);
  assert.equal(body.error.data.reason, 'idle_timeout');
  assert.equal(body.id, 'late');
}

withSession('an_idle_streamable_session_ends', dialects.sdk1Streamable, targets.streamable, async (session) => {
  const { sessiond, backend } = targets.streamable;
  await session.stream();
  // The client could have seen it coming.
  for (const head of session.http.past.filter((e) => e.status === 200)) {
    assert.equal(head.headers.get('holdfast-session-ttl'), '2');
  }
  await session.call('echo', { message: 'the last activity' });
  await sessiond.line(deleted);
  await backend.line(/^Received session termination request/);
  // Its GET ends, and the client's own attempt to open it again meets the 404.
  await session.http.wait('the GET after the end', (e) => e.method === 'GET' && e.status === 404);
  await assert.rejects(session.call('echo', { message: 'too late' }));
  assert.equal(posts(session).at(-1).status, 404);
  await refused(session);
});

withSession('an_idle_legacy_session_ends', dialects.sdk1Legacy, targets.legacy, async (session) => {
  const { sessiond, backend } = targets.legacy;
  await session.call('echo', { message: 'the last activity' });
  await sessiond.line(deleted);
  await backend.line(/^Client Disconnected/);
  await refused(session);
});

withSession('an_idle_listen_stream_ends_gracefully', dialects.sdk2Auto, targets.modern, async (session) => {
  const subscription = await within('listen', session.client.listen({ toolsListChanged: true }));
  assert.equal(await within('the end', subscription.closed), 'graceful');
  // Only the stream had a life; requests need no session.
  assert.equal(await session.call('echo', { message: 'still here' }), 'Echo: still here');
});

const busy = 'a_session_with_a_call_in_flight_is_not_idle';
withSession(busy, dialects.sdk1Streamable, targets.streamable, async (session) => {
  // More than twice the timeout, and nothing but the call itself tells that the session is in use.
  const text = await session.call('trigger-long-running-operation', { duration: 5, steps: 1 });
  assert.match(text, /^Long running operation completed/);
  assert.equal(await session.call('echo', { message: 'alive' }), 'Echo: alive');
});
