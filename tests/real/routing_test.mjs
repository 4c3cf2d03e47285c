// The 2.x SDK in front of two servers, its calls led to one or the other by what it says in its
// headers; held to them by mcp_header_check, which it never notices.
import assert from 'node:assert/strict';
import test, { after } from 'node:test';
import { dialects } from './clients.mjs';
import { direct, within } from './lib.mjs';
import { startModern, startTarget } from './programs.mjs';

if (direct) {
  console.log('# one server has nobody to choose from');
  process.exit(77);
}

const far = await startModern('far');
const target = await startTarget(() => startModern('near'), '', {
  main: `
    upstream far { server ${far.address}; }
    map $mcp_name $by_name { default backend; far_* far; ~^où$ far; }
    mcp_header_check on;`,
  server: `
    location /mcp mcp_name=endless { return 403 "not for you"; }
    location /mcp { proxy_pass http://$by_name; }`,
});
after(async () => {
  await target.stop();
  await far.child.stop();
});

async function withClient(name, body) {
  const session = await dialects[name].connect(`${target.url}/mcp`, 'routed');
  try {
    await body(session);
  } finally {
    await session.close();
  }
}

test('calls_go_where_their_names_lead', () =>
  withClient('sdk2Auto', async (session) => {
    assert.equal(session.client.getProtocolEra(), 'modern');
    for (let i = 0; i < 3; ++i) {
      assert.equal(await session.call('where'), 'near');
      assert.equal(await session.call('far_where'), 'far');
    }
    const sent = session.http.past.map((e) => e.requestHeaders.get('mcp-name'));
    assert.ok(sent.includes('far_where'), `${sent}`);
  }));

test('a_name_that_must_be_encoded_is_the_same_name', () =>
  withClient('sdk2Auto', async (session) => {
    assert.equal(await session.call('où'), 'far');
    const sent = session.http.past.map((e) => e.requestHeaders.get('mcp-name') ?? '');
    assert.ok(sent.some((name) => name.startsWith('=?base64?')), `${sent}`);
  }));

test('a_location_for_certain_calls_is_met_by_them', () =>
  withClient('sdk2Auto', async (session) => {
    await assert.rejects(session.call('endless', { token: 'x' }));
    assert.equal(session.http.past.at(-1).status, 403);
    assert.equal(await session.call('echo', { message: 'on' }), 'Echo: on');
  }));

test('listening_and_large_calls_pass_the_check', () =>
  withClient('sdk2Auto', async (session) => {
    const subscription = await within('listen', session.client.listen({ toolsListChanged: true }));
    const message = 'x'.repeat(300_000);
    assert.equal(await session.call('echo', { message }), `Echo: ${message}`);
    await subscription.close();
    assert.equal(await within('closed', subscription.closed), 'local');
  }));

// Which sends no such headers, and nothing it says can lead it anywhere else.
test('an_older_client_is_at_the_default', () =>
  withClient('sdk1Streamable', async (session) => {
    assert.equal(await session.call('far_where'), 'near');
  }));
