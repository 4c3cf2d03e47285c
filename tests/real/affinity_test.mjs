// Several official servers behind one location, several official clients: each stays with the server
// it began at, also when that one is drained; a server that dies costs its clients one 404.
import assert from 'node:assert/strict';
import test from 'node:test';
import { dialects } from './clients.mjs';
import { direct, within } from './lib.mjs';
import { startEverything, startServersPair } from './programs.mjs';

if (direct) {
  console.log('# one server has nobody to choose from');
  process.exit(77);
}

const created = /^Session initialized with ID: (\S+)/;
const ended = /^Received session termination request for session (\S+)/;

// The pair in front of `count` servers, and how many sessions each has begun.
async function withServers(count, upstream, body) {
  const servers = [];
  for (let i = 0; i < count; ++i) servers.push(await startEverything('streamableHttp'));
  const pair = await startServersPair(servers.map((server) => server.address), upstream);
  const farm = {
    pair,
    servers,
    url: `http://${pair.address}`,
    name: (i) => `backend/${servers[i].address}`,
    begun: (i) => servers[i].child.lines.filter((line) => created.test(line)).length,
    begunAll: () => servers.map((_, i) => farm.begun(i)),
    // Until the daemon lists the server in this state.
    async state(i, word) {
      const shown = async () => (await pair.ctl('backend-status', farm.name(i))).out;
      const until = async () => {
        while (!new RegExp(`State: ${word}\\b`).test(await shown()));
      };
      await within(`${farm.name(i)} ${word}`, until());
    },
  };
  try {
    await body(farm);
  } finally {
    for (const child of pair.children) assert.equal(await child.stop(), 0);
    for (const server of servers) await server.child.stop();
  }
}

async function connectMany(farm, count) {
  const sessions = [];
  for (let i = 0; i < count; ++i) {
    const dialect = i % 2 === 0 ? dialects.sdk1Streamable : dialects.sdk2Streamable;
    const session = await dialect.connect(farm.url + dialect.path, `client ${i}`);
    await session.stream(); // which is a part of its server's load
    sessions.push(session);
  }
  return sessions;
}

async function echoes(session) {
  const message = session.marker;
  assert.equal(await session.call('echo', { message }), `Echo: ${message}`);
}

test('each_client_stays_with_its_server_and_a_drained_one_gets_no_new_clients', () =>
  withServers(2, 'least_conn;', async (farm) => {
    const sessions = await connectMany(farm, 6);
    const begun = farm.begunAll();
    assert.deepEqual(begun, [3, 3]);
    // A server that does not know a session refuses it: every call must find its own.
    for (let round = 0; round < 3; ++round) for (const session of sessions) await echoes(session);

    await farm.state(1, 'up');
    assert.equal((await farm.pair.ctl('drain-backend', farm.name(1))).code, 0);
    await farm.state(1, 'drain');
    const later = await connectMany(farm, 4);
    assert.deepEqual(farm.begunAll(), [begun[0] + 4, begun[1]]);
    for (const session of [...sessions, ...later]) await echoes(session);

    for (const session of [...sessions, ...later]) {
      if (session.transport.terminateSession) await session.transport.terminateSession();
      await session.close();
    }
    await farm.servers[1].child.line(ended); // the drained server was told, too
  }));

test('a_server_that_dies_costs_its_clients_one_404_and_they_begin_again_elsewhere', () =>
  withServers(2, 'health_check interval=200ms;', async (farm) => {
    const sessions = await connectMany(farm, 4);
    const begun = farm.begunAll();
    assert.ok(begun[0] > 0 && begun[1] > 0);
    farm.servers[1].child.kill();
    await farm.servers[1].child.exited;
    await farm.pair.proxy.line(/event=backend_down .*by=health_check/);
    let lost = 0;
    for (const [i, session] of sessions.entries()) {
      try {
        await echoes(session);
        continue;
      } catch (error) {
        assert.match(error.message, /Session not found|404/);
      }
      lost += 1;
      assert.equal(session.http.past.findLast((e) => e.method === 'POST').status, 404);
      await session.close();
      const dialect = i % 2 === 0 ? dialects.sdk1Streamable : dialects.sdk2Streamable;
      sessions[i] = await dialect.connect(farm.url + dialect.path, `again ${i}`);
      await echoes(sessions[i]);
    }
    assert.equal(lost, begun[1]);
    assert.equal(farm.begun(0), begun[0] + lost);
    for (const session of sessions) await session.close();
  }));
