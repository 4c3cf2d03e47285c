// What official clients see at a limit and at a drain: a clear word with the reason, no entry left
// behind, and a session that goes on with the next proxy.
import assert from 'node:assert/strict';
import test from 'node:test';
import { dialects } from './clients.mjs';
import { direct, within } from './lib.mjs';
import { startEverything, startPair, startTarget } from './programs.mjs';

if (direct) {
  console.log('# nothing is capped without Holdfast');
  process.exit(77);
}

async function withTarget(policy, body) {
  const target = await startTarget(() => startEverything('streamableHttp'), policy);
  try {
    await body(target);
  } finally {
    await target.stop();
  }
}

const connect = (target, name, marker) =>
  dialects[name].connect(target.url + dialects[name].path, marker);

const echo = async (session) => {
  assert.equal(await session.call('echo', { message: 'here' }), 'Echo: here');
};

async function sessionsTotal(target) {
  const answer = await within('health', fetch(`${target.url}/health`));
  return (await answer.json()).sessions.total;
}

const initialize = {
  jsonrpc: '2.0',
  id: 'i',
  method: 'initialize',
  params: {
    protocolVersion: '2025-06-18',
    capabilities: {},
    clientInfo: { name: 'raw', version: '1' },
  },
};

function post(target, body, headers = {}) {
  return within(
    'POST',
    fetch(`${target.url}/mcp`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        ...headers,
      },
      body: JSON.stringify(body),
    }),
  );
}

for (const name of ['sdk1Streamable', 'sdk2Streamable']) {
  test(`${name}_at_the_limit_is_told_the_limit_and_the_others_stay`, () =>
    withTarget('max_sessions 1;', async (target) => {
      const first = await connect(target, name, 'first');
      // The client's error carries our words, so that a person can read them.
      await assert.rejects(connect(target, name, 'second'), /session limit is reached/);
      const refused = await post(target, initialize);
      assert.equal(refused.status, 503);
      assert.ok(Number(refused.headers.get('retry-after')) >= 1);
      const { id, error } = await refused.json();
      assert.equal(id, 'i');
      assert.equal(error.data.reason, 'max_sessions');
      await echo(first);
      await first.transport.terminateSession();
      await first.close();
      const third = await connect(target, name, 'third');
      await echo(third);
      await third.close();
    }));
}

test('one_address_cannot_take_all_slots', () =>
  withTarget('max_sessions_per_address 2;', async (target) => {
    const held = [
      await connect(target, 'sdk1Streamable', 'a'),
      await connect(target, 'sdk2Streamable', 'b'),
    ];
    await assert.rejects(connect(target, 'sdk1Streamable', 'c'), /session limit is reached/);
    const { error } = await (await post(target, initialize)).json();
    assert.equal(error.data.reason, 'max_sessions_per_address');
    for (const session of held) await session.close();
  }));

test('evict_idle_gives_the_slot_of_the_longest_idle_client_away', () =>
  withTarget('max_sessions 2; at_capacity evict_idle; evict_grace 100ms;', async (target) => {
    const idle = await connect(target, 'sdk1Streamable', 'idle');
    await idle.stream();
    const busy = await connect(target, 'sdk2Streamable', 'busy');
    const work = busy.call('trigger-long-running-operation', { duration: 2, steps: 1 });
    await idle.call('echo', { message: 'then idle' });
    const evicted = target.sessiond.line(/session deleted .*"reason":"capacity"/);
    // Within the grace nobody goes; who asks again is let in as soon as somebody may.
    let next;
    const until = async () => {
      for (;;) {
        try {
          next = await connect(target, 'sdk1Streamable', 'next');
          return;
        } catch (error) {
          assert.match(error.message, /session limit is reached/);
        }
      }
    };
    await within('a slot', until());
    await evicted;
    await echo(next);
    await assert.rejects(idle.call('echo', { message: 'gone' }));
    assert.equal(idle.http.past.findLast((e) => e.method === 'POST').status, 404);
    assert.match(await work, /^Long running operation completed/); // never one at work
    for (const session of [busy, next]) await session.close();
  }));

test('forged_ids_and_failed_or_batched_initializes_leave_no_entry', () =>
  withTarget('max_sessions 2;', async (target) => {
    for (let i = 0; i < 10; ++i) {
      const forged = await post(target, { jsonrpc: '2.0', id: i, method: 'ping' }, { 'mcp-session-id': 'A'.repeat(31) + i });
      assert.equal(forged.status, 404);
      const batched = await post(target, [initialize]);
      assert.equal(batched.headers.get('mcp-session-id'), null);
      const broken = await post(target, { ...initialize, params: {} }, { accept: 'text/plain' });
      assert.ok(broken.status >= 400, `status ${broken.status}`);
    }
    // Every slot is free.
    const both = [
      await connect(target, 'sdk1Streamable', 'a'),
      await connect(target, 'sdk2Streamable', 'b'),
    ];
    for (const session of both) await echo(session);
    assert.equal(await sessionsTotal(target), 2);
    for (const session of both) await session.close();
  }));

test('a_client_goes_on_after_drain_with_the_next_proxy', async () => {
  const backend = await startEverything('streamableHttp');
  const pair = await startPair(backend.address);
  const target = { url: `http://${pair.address}` };
  try {
    const session = await connect(target, 'sdk1Streamable', 'stays');
    const { id } = session;
    await session.stream();
    await pair.sessiond.line(/session created/);
    const work = session.call('trigger-long-running-operation', { duration: 1, steps: 1 });
    await session.http.wait('the call', (e) => e.method === 'POST' && e.status === 200, {
      since: session.http.past.length - 1,
    });
    const seen = session.http.past.length;
    const drained = pair.ctl('drain', '--wait', '10s');
    // What runs is finished; the stream ended in time to come back.
    assert.match(await work, /^Long running operation completed/);
    assert.equal((await drained).code, 0);
    assert.equal(await within('the exit', pair.proxy.exited), 0);
    await pair.restartProxy();
    const reopened = (e) => e.method === 'GET' && e.status === 200;
    await session.http.wait('the GET at the next proxy', reopened, { since: seen });
    await echo(session);
    assert.equal(session.id, id);
    await session.close();
  } finally {
    for (const child of pair.children) await child.stop();
    await backend.child.stop();
  }
});
