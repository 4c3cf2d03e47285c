// Legacy SDK clients whose stream breaks come back with a new stream and never initialize it. Where
// a location is known as legacy, by its configuration or by what its server was seen to do, that
// costs the server nothing, and the client learns with its next call that its session is gone.
import assert from 'node:assert/strict';
import test from 'node:test';
import { Breakable, dialects } from './clients.mjs';
import { direct, within } from './lib.mjs';
import { startEverything, startTarget } from './programs.mjs';

if (direct) {
  console.log('# without Holdfast each of them is a session of the server');
  process.exit(77);
}

const connected = (target) =>
  target.backend.lines.filter((line) => line.startsWith('Client Connected')).length;

async function sessionsTotal(target) {
  const answer = await within('health', fetch(`${target.url}/health`));
  return (await answer.json()).sessions.total;
}

const streams = (session) =>
  session.http.past.filter((e) => e.method === 'GET' && e.status === 200).length;

// One client that works, loses its stream, and comes back.
async function losesItsStream(target, dialect) {
  const network = new Breakable();
  const session = await dialect.connect(target.url + dialect.path, 'zombie', { fetch: network.fetch });
  try {
    assert.equal(await session.call('echo', { message: 'before' }), 'Echo: before');
    const sessions = connected(target);
    const since = session.http.past.length;
    const gone = target.backend.line(/^Client Disconnected/, target.backend.lines.length);
    network.breakOff();
    await gone;
    // eventsource waits 3 s before it tries again.
    const again = (e) => e.method === 'GET' && e.status === 200;
    await session.http.wait('the stream opened again', again, { since });
    // As long as the new endpoint has not been read, calls go to the old one: both are 404.
    const first = session.http.past.findLast((e) => e.method === 'POST').url;
    do {
      await assert.rejects(session.call('echo', { message: 'after' }), /Session not found/);
    } while (session.http.past.findLast((e) => e.method === 'POST').url === first);
    assert.ok(streams(session) >= 2);
    assert.equal(connected(target), sessions, 'the server was asked for another session');
    assert.equal(await sessionsTotal(target), 0);
  } finally {
    await session.close();
  }
}

for (const [how, location] of [['configured', 'legacy_sse on;'], ['learned', '']]) {
  for (const name of ['sdk1Legacy', 'sdk2Legacy']) {
    test(`where_it_is_${how}_a_reconnect_of_${name}_costs_the_server_nothing`, async () => {
      const policy = 'max_sessions 1;';
      const target = await startTarget(() => startEverything('sse'), policy, { location });
      try {
        await losesItsStream(target, dialects[name]);
        // The slot is free for whoever initializes.
        const fresh = await dialects[name].connect(target.url + dialects[name].path, 'fresh');
        assert.equal(await fresh.call('echo', { message: 'anew' }), 'Echo: anew');
        await fresh.close();
      } finally {
        await target.stop();
      }
    });
  }
}

// A control: with the backend dialled at the GET, as without Holdfast, the reconnect is a session.
test('where_the_backend_is_dialled_at_once_the_reconnect_is_a_session', async () => {
  const location = 'legacy_sse off; legacy_sse_initialize_first off;';
  const target = await startTarget(() => startEverything('sse'), '', { location });
  const network = new Breakable();
  const { path, connect } = dialects.sdk1Legacy;
  const session = await connect(target.url + path, 'zombie', { fetch: network.fetch });
  try {
    const before = connected(target);
    network.breakOff();
    await target.backend.line(/^Client Connected/, target.backend.lines.length);
    assert.equal(connected(target), before + 1);
  } finally {
    await session.close();
    await target.stop();
  }
});
