// A real server that is killed and started again, or forgets idle sessions, behind a proxy that
// keeps its clients' sessions: official SDK clients notice nothing, or are told the truth at once.
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { dialects } from './clients.mjs';
import { direct, Events, scratch } from './lib.mjs';
import { startEverything, startForgetful, startPair } from './programs.mjs';

if (direct) {
  console.log('# nothing survives without Holdfast');
  process.exit(77);
}

const location = 'session_recovery on;';

// A connected client of a pair in front of `server`.
async function withClient(dialect, server, directives, body) {
  const pair = await startPair(server.address, '', { location: directives });
  try {
    const session = await dialect.connect(`http://${pair.address}${dialect.path}`, 'client');
    try {
      await body(session, pair);
    } finally {
      await session.close();
    }
  } finally {
    for (const child of pair.children) assert.equal(await child.stop(), 0);
  }
}

// server-everything on a path where another one can follow it, in the dialect's own transport.
async function withRestartable(dialect, body) {
  const path = join(scratch(), 'backend.sock');
  const transport = dialect.path === '/sse' ? 'sse' : 'streamableHttp';
  const server = await startEverything(transport, path);
  const restart = async () => {
    server.child.kill();
    await server.child.exited;
    rmSync(path);
    server.child = (await startEverything(transport, path)).child;
  };
  try {
    await withClient(dialect, server, location, (session, pair) => body(session, { server, restart, pair }));
  } finally {
    await server.child.stop();
  }
}

const uri = 'demo://resource/dynamic/text/7';
const updated = (session, since) =>
  session.updates.wait('an update of the resource', (update) => update === uri, { since });
const initializes = (session) =>
  session.http.past.filter((e) => e.method === 'POST' && !e.requestHeaders.has('mcp-session-id')).length;

for (const name of ['sdk1Streamable', 'sdk2Streamable']) {
  test(`${name}: the next call, the id, the stream and the subscription outlive the server`, () =>
    withRestartable(dialects[name], async (session, { restart, pair }) => {
      const id = session.id;
      await session.stream();
      await session.client.subscribeResource({ uri });
      await session.call('toggle-subscriber-updates');
      await updated(session, 0);
      const gets = session.http.past.filter((e) => e.method === 'GET').length;
      await restart();
      const seen = session.updates.past.length;
      assert.equal(await session.call('echo', { message: 'still here' }), 'Echo: still here');
      assert.equal(session.id, id);
      assert.equal(initializes(session), 1);
      // What the server alone knew is lost: that updates were switched on. That they were wanted is not.
      await session.call('toggle-subscriber-updates');
      await updated(session, seen);
      assert.equal(session.http.past.filter((e) => e.method === 'GET').length, gets);
      await pair.proxy.line(/event=session_recovered .*replayed=1/);
    }));
}

test('a call in flight when the server dies is rejected at once, and the next one succeeds', () =>
  withRestartable(dialects.sdk1Streamable, async (session, { restart, server }) => {
    await session.stream();
    const seen = session.http.past.length;
    const long = session.call('trigger-long-running-operation', { duration: 3600, steps: 1 });
    const rejected = assert.rejects(long, /the backend was lost in mid-call/);
    const begun = (e) => e.method === 'POST' && e.status === 200;
    await session.http.wait('the head of its answer', begun, { since: seen });
    await restart();
    await rejected;
    assert.equal(await session.call('echo', { message: 'next' }), 'Echo: next');
  }));

// The client has one stream and one endpoint, and sees neither change nor anything it did not ask for.
for (const name of ['sdk1Legacy', 'sdk2Legacy']) {
  test(`${name}: the stream, the endpoint and the subscription outlive the server`, () =>
    withRestartable(dialects[name], async (session, { restart, pair }) => {
      const errors = [];
      session.client.onerror = (error) => errors.push(error);
      const posts = () => session.http.past.filter((e) => e.method === 'POST');
      const endpoint = posts().at(-1).url;
      await session.client.subscribeResource({ uri });
      await session.call('toggle-subscriber-updates');
      await updated(session, 0);
      for (let restarts = 0; restarts < 2; ++restarts) {
        const lines = pair.proxy.lines.length;
        const seen = session.updates.past.length;
        const running = new Events();
        const long = session.call(
          'trigger-long-running-operation',
          { duration: 3600, steps: 36_000 },
          { onprogress: (progress) => running.push(progress) },
        );
        const rejected = assert.rejects(long, /the backend was lost in mid-call/);
        await running.wait('its progress', () => true);
        await restart();
        await rejected;
        assert.equal(await session.call('echo', { message: 'still here' }), 'Echo: still here');
        await pair.proxy.line(/event=session_recovered .*replayed=1/, lines);
        await session.call('toggle-subscriber-updates');
        await updated(session, seen);
        // Its tools are those of a client that was initialized: the server may ask it.
        assert.match(await session.call('trigger-sampling-request', { prompt: 'who?' }), /client/);
      }
      assert.ok(posts().every((e) => e.url === endpoint));
      assert.equal(session.http.past.filter((e) => e.method === 'GET').length, 1);
      assert.equal(session.samplings, 2);
      assert.deepEqual(errors, []);
    }));
}

test('without the directive the client is told that its session is gone', async () => {
  const server = await startForgetful(1500);
  try {
    await withClient(dialects.sdk1Streamable, server, '', async (session) => {
      await server.child.line(/^forgot 1$/);
      await assert.rejects(session.call('echo', { message: 'lost' }), /Session not found/);
    });
  } finally {
    await server.child.stop();
  }
});

// The server forgets a session it has not been asked anything for 1500 ms.
test('pings keep a silent session alive at a server that forgets idle ones', async () => {
  const server = await startForgetful(1500);
  try {
    const directives = 'backend_ping 300ms;';
    await withClient(dialects.sdk1Streamable, server, directives, async (session) => {
      const id = session.id;
      await session.stream();
      const requests = session.http.past.length;
      for (let pings = 0, since = 0; pings < 8; ++pings) {
        await server.child.line(/^ping "holdfast-ping-\d+"$/, since);
        since += server.child.lines.slice(since).findIndex((line) => line.startsWith('ping')) + 1;
      }
      assert.equal(session.http.past.length, requests); // nothing of it came to the client
      assert.equal(await session.call('echo', { message: 'awake' }), 'Echo: awake');
      assert.equal(session.id, id);
      assert.ok(!server.child.lines.some((line) => line.startsWith('forgot')));
    });
  } finally {
    await server.child.stop();
  }
});
