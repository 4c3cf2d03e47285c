// A client whose GET stream breaks opens it again at once. The server allows one such stream per
// session and answers 409 to a second one, whereupon SDK clients give up for good: behind Holdfast
// no client meets it, and what the server sends by itself goes on coming.
import assert from 'node:assert/strict';
import { after } from 'node:test';
import { Breakable, dialects } from './clients.mjs';
import { direct, within } from './lib.mjs';
import { startJson, startTarget } from './programs.mjs';
import { withSession } from './scenarios.mjs';

if (direct) {
  console.log('# without Holdfast the outcome is a matter of luck');
  process.exit(77);
}

const target = await startTarget(startJson);
after(() => target.stop());

const rounds_count = 8;
const reconnectionOptions = {
  initialReconnectionDelay: 0,
  maxReconnectionDelay: 0,
  reconnectionDelayGrowFactor: 1,
  maxRetries: 2,
};

const gets = (session) => session.http.past.filter((e) => e.method === 'GET');

for (const name of ['sdk1Streamable', 'sdk2Streamable']) {
  const dialect = dialects[name];
  const network = new Breakable();
  const options = { fetch: network.fetch, reconnectionOptions };
  const connect = (url, marker) => dialect.connect(url, marker, options);
  withSession(`${name}_comes_back_and_hears_the_server`, { ...dialect, connect }, target, async (session) => {
    await session.stream();
    for (let round = 1; round <= rounds_count; ++round) {
      const since = session.http.past.length;
      network.breakOff();
      const again = await session.http.wait('the GET opened again', (e) => e.method === 'GET', { since });
      assert.equal(again.status, 200);
      const uri = `test://round/${round}`;
      await session.call('update', { uri });
      await session.updates.wait('notifications/resources/updated', (seen) => seen === uri);
    }
    assert.deepEqual([...new Set(gets(session).map((e) => e.status))], [200]);
    assert.equal(gets(session).length, rounds_count + 1);
  });
}

// That the server would say 409 if it saw two: a stream opened beside the client's own.
withSession('a_second_stream_beside_the_first_is_refused', dialects.sdk1Streamable, target, async (session) => {
  await session.stream();
  const headers = { accept: 'text/event-stream', 'mcp-session-id': session.id };
  const second = await within('the second GET', fetch(`${target.url}/mcp`, { headers }));
  assert.equal(second.status, 409);
  await second.text();
});
