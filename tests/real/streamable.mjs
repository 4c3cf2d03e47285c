// The scenarios of the 2025 era, run once per SDK: the common ones, and the life of a session id.
import assert from 'node:assert/strict';
import { after } from 'node:test';
import { direct, within } from './lib.mjs';
import { startEverything, startTarget } from './programs.mjs';
import { concurrencyScenario, everythingScenarios, withSession } from './scenarios.mjs';

async function post(url, id, message) {
  return within(
    'POST',
    fetch(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        'mcp-session-id': id,
        'mcp-protocol-version': '2025-11-25',
      },
      body: JSON.stringify(message),
    }),
  );
}

function session_id_scenarios(dialect, target) {
  withSession('the_backend_s_session_id_never_leaves', dialect, target, async (session) => {
    assert.match(session.id, /^[A-Za-z0-9_-]{32}$/);
    assert.ok(!target.backend.lines.some((line) => line.includes(session.id)));
    for (const { headers } of session.http.past) {
      assert.equal(headers.get('mcp-session-id') ?? session.id, session.id);
    }
  });

  withSession('after_DELETE_the_id_gets_404_everywhere', dialect, target, async (session) => {
    const url = target.url + dialect.path;
    const id = session.id;
    await session.stream();
    await session.transport.terminateSession();
    await target.backend.line(/^Received session termination request/);

    const call = { jsonrpc: '2.0', id: 'late', method: 'tools/call', params: { name: 'echo' } };
    const answer = await post(url, id, call);
    assert.equal(answer.status, 404);
    const body = await answer.json();
    assert.equal(body.error.code, -32001);
    assert.equal(body.id, 'late');
    for (const method of ['GET', 'DELETE']) {
      const headers = { accept: 'text/event-stream', 'mcp-session-id': id };
      const refused = await within(method, fetch(url, { method, headers }));
      assert.equal(refused.status, 404, method);
      assert.equal((await refused.json()).error.code, -32001, method);
    }
  });
}

// server-everything answers 400 where the specification wants 404; Holdfast hides that.
function direct_delete_scenario(dialect, target) {
  withSession('after_DELETE_the_id_is_refused', dialect, target, async (session) => {
    const id = session.id;
    await session.transport.terminateSession();
    const answer = await post(target.url + dialect.path, id, { jsonrpc: '2.0', id: 1, method: 'ping' });
    assert.equal(answer.status, 400);
    await answer.text();
  });
}

export async function streamableTest(dialect) {
  const target = await startTarget(() => startEverything('streamableHttp'));
  everythingScenarios(dialect, target);
  concurrencyScenario(dialect, target);
  (direct ? direct_delete_scenario : session_id_scenarios)(dialect, target);
  after(() => target.stop());
}
