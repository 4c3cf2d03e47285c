// The 2.x SDK speaking the sessionless 2026-07-28 era to a 2.x server, and what it does where only
// one side knows that era.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import test, { after } from 'node:test';
import { dialects } from './clients.mjs';
import { Events, within } from './lib.mjs';
import { startEverything, startModern, startTarget } from './programs.mjs';
import { withSession } from './scenarios.mjs';

const modern = await startTarget(startModern);
const everything = await startTarget(() => startEverything('streamableHttp'));
after(async () => {
  await modern.stop();
  await everything.stop();
});

const token = () => randomBytes(8).toString('hex');

// A listen stream whose tool-list notifications are events.
async function listen(session) {
  const changes = new Events();
  session.client.setNotificationHandler('notifications/tools/list_changed', () => changes.push('tools'));
  const subscription = await within('listen', session.client.listen({ toolsListChanged: true }));
  return { subscription, changes };
}

withSession('negotiates_the_modern_era_without_a_session', dialects.sdk2Auto, modern, async (session) => {
  assert.equal(session.client.getProtocolEra(), 'modern');
  assert.equal(session.id, undefined);
  for (const { headers } of session.http.past) assert.equal(headers.get('mcp-session-id'), null);
  const { tools } = await session.client.listTools();
  assert.ok(tools.some((tool) => tool.name === 'gated'));
});

withSession('carries_1_mib_each_way', dialects.sdk2Auto, modern, async (session) => {
  const message = randomBytes(768 * 1024).toString('base64');
  assert.equal(await session.call('echo', { message }), `Echo: ${message}`);
});

withSession('a_listener_hears_of_a_change', dialects.sdk2Auto, modern, async (session) => {
  const { subscription, changes } = await listen(session);
  assert.equal(subscription.honoredFilter.toolsListChanged, true);
  await session.call('poke');
  await changes.wait('notifications/tools/list_changed', () => true);
  await subscription.close();
  assert.equal(await within('closed', subscription.closed), 'local');
});

// Causal, not timed: the answer exists only once the client has seen the progress message.
async function opens_its_gate(session) {
  const mine = token();
  let opened;
  const onprogress = () => (opened = session.call('open', { token: mine }));
  assert.equal(await session.call('gated', { token: mine }, { onprogress }), `opened ${mine}`);
  await opened;
}
withSession('progress_is_not_held_back', dialects.sdk2Auto, modern, opens_its_gate);

// In this era the end of the connection is the only cancellation there is.
async function leaves(session, options, begun = Promise.resolve()) {
  const mine = token();
  const leave = new AbortController();
  const call = session.call('endless', { token: mine }, { signal: leave.signal, ...options });
  await session.call('entered', { token: mine });
  await begun;
  leave.abort();
  await assert.rejects(call);
  assert.equal(await session.call('left', { token: mine }), 'yes');
}
withSession('leaving_before_the_response_cancels_at_the_server', dialects.sdk2Auto, modern, (session) => leaves(session));
withSession('leaving_during_the_response_cancels_at_the_server', dialects.sdk2Auto, modern, (session) => {
  const progress = new Events();
  const begun = progress.wait('the begin of the response', () => true);
  return leaves(session, { onprogress: () => progress.push(1) }, begun);
});

test('50_listeners_at_once_all_hear_and_do_not_mix', async () => {
  const connecting = Array.from({ length: 50 }, () => dialects.sdk2Auto.connect(`${modern.url}/mcp`, token()));
  const sessions = await Promise.all(connecting);
  try {
    const listeners = await Promise.all(sessions.map(listen));
    await Promise.all(sessions.map(opens_its_gate));
    await sessions[0].call('poke');
    await Promise.all(listeners.map(({ changes }) => changes.wait('list_changed', () => true)));
  } finally {
    await Promise.all(sessions.map((session) => session.close()));
  }
});

withSession('falls_back_to_2025_where_the_server_knows_no_other', dialects.sdk2Auto, everything, async (session) => {
  assert.equal(session.client.getProtocolEra(), 'legacy');
  assert.ok(session.id);
  assert.ok((await session.call('trigger-sampling-request', { prompt: '?' })).includes(session.marker));
});

withSession('a_backend_that_keeps_no_session_is_relayed_as_it_is', dialects.sdk2Streamable, modern, async (session) => {
  assert.equal(session.id, undefined);
  assert.equal(await session.call('echo', { message: 'x' }), 'Echo: x');
});
