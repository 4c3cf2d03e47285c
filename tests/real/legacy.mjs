// The scenarios of the HTTP+SSE transport of 2024-11-05, run once per SDK: the common ones, and the
// life of a session that is its stream.
import assert from 'node:assert/strict';
import { after } from 'node:test';
import { direct, within } from './lib.mjs';
import { startEverything, startTarget } from './programs.mjs';
import { concurrencyScenario, everythingScenarios, withSession } from './scenarios.mjs';

const ping = (id) => JSON.stringify({ jsonrpc: '2.0', id, method: 'ping' });

async function post(url, body) {
  const headers = { 'content-type': 'application/json' };
  return within('POST', fetch(url, { method: 'POST', headers, body }));
}

// server-everything never answers a POST to an id it does not know, so that none of these has a
// counterpart without Holdfast.
function session_id_scenarios(dialect, target) {
  const posted = (session) => session.http.past.find((e) => e.method === 'POST').url;

  withSession('the_endpoint_is_our_own', dialect, target, async (session) => {
    const url = new URL(posted(session));
    assert.equal(url.origin, target.url);
    const connected = target.backend.lines.filter((line) => line.startsWith('Client Connected'));
    assert.ok(connected.length > 0);
    for (const line of connected) assert.ok(!url.href.includes(line.split(/\s+/).pop()));
  });

  withSession('an_unknown_id_gets_404', dialect, target, async (session) => {
    const id = /[A-Za-z0-9_-]{32}/;
    assert.match(posted(session), id);
    const answer = await post(posted(session).replace(id, 'A'.repeat(32)), ping('who'));
    assert.equal(answer.status, 404);
    const body = await answer.json();
    assert.equal(body.error.code, -32001);
    assert.equal(body.id, 'who');
  });

  withSession('the_session_ends_with_its_stream', dialect, target, async (session) => {
    const since = target.backend.lines.length;
    await session.close();
    await target.backend.line(/^Client Disconnected/, since);
    const answer = await post(posted(session), ping(1));
    assert.equal(answer.status, 404);
    assert.equal((await answer.json()).error.code, -32001);
  });
}

export async function legacyTest(dialect) {
  const target = await startTarget(() => startEverything('sse'));
  everythingScenarios(dialect, target);
  concurrencyScenario(dialect, target);
  if (!direct) session_id_scenarios(dialect, target);
  after(() => target.stop());
}
