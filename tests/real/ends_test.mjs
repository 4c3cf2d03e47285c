// What real clients and servers leave behind, and what the other side then sees: clients killed
// without a word, a serving process killed, a server that starts again and knows nobody.
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { dialects } from './clients.mjs';
import { Child, direct, Events, here, scratch, within } from './lib.mjs';
import { startConformance, startEverything, startJson, startPair, startTarget } from './programs.mjs';

if (direct) {
  console.log('# nothing survives without Holdfast');
  process.exit(77);
}

async function withTarget(startBackend, policy, body) {
  const target = await startTarget(startBackend, policy);
  try {
    await body(target);
  } finally {
    await target.stop();
  }
}

const streamable = () => startEverything('streamableHttp');
const legacy = () => startEverything('sse');

async function killedClients(target, dialect, count) {
  const clients = join(here, 'careless_clients.mjs');
  const child = new Child('clients', process.execPath, [
    clients,
    dialect,
    target.url,
    String(count),
  ]);
  await child.line(/^connected$/);
  child.kill();
  await child.exited;
}

// Waits until `count` lines fit the pattern: each from where the last was found.
async function lines(child, pattern, count) {
  let since = 0;
  for (let seen = 0; seen < count; ++seen) {
    await child.line(pattern, since);
    since += child.lines.slice(since).findIndex((line) => pattern.test(line)) + 1;
  }
}

async function sessionsTotal(target) {
  const answer = await within('health', fetch(`${target.url}/health`));
  return (await answer.json()).sessions.total;
}

const careless_count = 10;

test('clients_that_never_close_leave_nothing_behind', async () => {
  await withTarget(streamable, 'persistent_mode off;', async (target) => {
    await killedClients(target, 'sdk1Streamable', careless_count);
    // Only now: a busy machine may take longer than that to connect them all.
    const impatient = 'session_timeout 500ms; session_cleanup_interval 100ms; persistent_mode off;';
    await target.setPolicy(impatient);
    await lines(target.sessiond, /session deleted .*"reason":"idle_timeout"/, careless_count);
    await lines(target.backend, /^Received session termination request/, careless_count);
    assert.equal(await sessionsTotal(target), 0);
  });
});

test('legacy_sessions_end_with_their_clients', async () => {
  await withTarget(legacy, '', async (target) => {
    await killedClients(target, 'sdk1Legacy', careless_count);
    await lines(target.sessiond, /session deleted .*"reason":"client_gone"/, careless_count);
    await lines(target.backend, /^Client Disconnected/, careless_count);
    assert.equal(await sessionsTotal(target), 0);
  });
});

// The serving process dies as by a crash; its master starts another one.
async function killServing(proxy) {
  const since = proxy.lines.length;
  const master = proxy.pid;
  const children = await readFile(`/proc/${master}/task/${master}/children`, 'utf8');
  process.kill(Number(children.trim()), 'SIGKILL');
  await proxy.line(/event=listening/, since);
  await proxy.line(/event=sessiond_linked/, since);
}

// Calls the body with a connected client, and closes it whatever happens.
async function withClient(dialect, base, body) {
  const session = await dialect.connect(base + dialect.path, 'client');
  try {
    await body(session);
  } finally {
    await session.close();
  }
}

// A server that stores no events: server-everything says nothing more on a stream that is resumed.
test('a_streamable_client_goes_on_after_a_crash_of_the_proxy', () =>
  withTarget(startJson, '', (target) =>
    withClient(dialects.sdk1Streamable, target.url, async (session) => {
      const id = session.id;
      await session.stream();
      await target.sessiond.line(/session created/);
      const seen = session.http.past.length;
      await killServing(target.proxy);
      assert.equal(await session.call('open', { token: 'any' }), 'open');
      // The client opens its stream again by itself, and the server's own messages come down it.
      const reopened = (e) => e.method === 'GET' && e.status === 200;
      await session.http.wait('the GET after the crash', reopened, { since: seen });
      const uri = 'test://after/the/crash';
      await session.call('update', { uri });
      await session.updates.wait('notifications/resources/updated', (update) => update === uri);
      assert.equal(session.id, id);
    }),
  ));

// All that a legacy client has is its stream: the SDK opens another one, which is another session,
// and does not initialize it. What it then asks is refused instead of asked of a server that knows
// nothing of its capabilities.
test('a_legacy_client_that_reconnects_after_a_crash_is_told_that_its_session_is_gone', () =>
  withTarget(legacy, '', (target) =>
    withClient(dialects.sdk1Legacy, target.url, async (session) => {
      await session.call('echo', { message: 'before' });
      await target.sessiond.line(/session created/);
      const endpoint = () => session.http.past.findLast((e) => e.method === 'POST').url;
      const before = endpoint();
      const seen = session.http.past.length;
      await killServing(target.proxy);
      const second = (e) => e.method === 'GET' && e.status === 200;
      await session.http.wait('the second stream', second, { since: seen });
      // Until the client has read its new endpoint it posts to the old one.
      do {
        await assert.rejects(session.call('echo', { message: 'after' }), /Session not found/);
      } while (endpoint() === before);
      // A client that begins anew is served.
      await withClient(dialects.sdk1Legacy, target.url, async (fresh) => {
        assert.equal(await fresh.call('echo', { message: 'anew' }), 'Echo: anew');
      });
    }),
  ));

test('a_legacy_call_in_flight_is_told_that_its_server_died', () =>
  withTarget(legacy, '', (target) =>
    withClient(dialects.sdk1Legacy, target.url, async (session) => {
      const running = new Events();
      const call = session.call(
        'trigger-long-running-operation',
        { duration: 120, steps: 1200 },
        { onprogress: (progress) => running.push(progress) },
      );
      const told = assert.rejects(call, { code: -32000, message: /the backend was lost/ });
      await running.wait('its progress', () => true);
      target.backend.kill();
      await within('the error', told);
    }),
  ));

// Starts a server that keeps its sessions in memory, on a path where a second one can follow it.
async function withRestartable(body) {
  const path = join(scratch(), 'backend.sock');
  const server = await startConformance(path);
  const pair = await startPair(server.address);
  const down = async () => {
    server.child.kill();
    await server.child.exited;
  };
  const up = async () => {
    rmSync(path);
    server.child = (await startConformance(path)).child;
  };
  try {
    await body({ pair, url: `http://${pair.address}`, down, up });
  } finally {
    for (const child of pair.children) assert.equal(await child.stop(), 0);
    await server.child.stop();
  }
}

const greets = async (session) => {
  assert.match(await session.call('test_simple_text'), /^This is a simple text/);
};
const isRefused = async (session, status) => {
  await assert.rejects(session.call('test_simple_text'));
  assert.equal(session.http.past.findLast((e) => e.method === 'POST').status, status);
};

test('a_restart_of_the_server_ends_its_sessions_with_404', () =>
  withRestartable(({ pair, url, down, up }) =>
    withClient(dialects.sdk1Streamable, url, async (session) => {
      await down();
      await isRefused(session, 502); // a refused call, not the session's end
      await up();
      await isRefused(session, 404);
      await pair.sessiond.line(/session deleted .*"reason":"backend_ended"/);
      await withClient(dialects.sdk1Streamable, url, greets);
    }),
  ));

test('an_era_without_sessions_loses_nothing_to_a_restart_of_the_server', () =>
  withRestartable(({ url, down, up }) =>
    withClient(dialects.sdk2Auto, url, async (session) => {
      assert.equal(session.client.getProtocolEra(), 'modern');
      await down();
      await isRefused(session, 502);
      await up();
      await greets(session);
    }),
  ));
