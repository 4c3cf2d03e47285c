// session_user jwt with official clients: a session outlives its client's token, belongs to nobody
// else, and nobody without a good token gets near the server.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { after } from 'node:test';
import { dialects } from './clients.mjs';
import { direct, scratch, within } from './lib.mjs';
import { startEverything, startTarget } from './programs.mjs';
import { Issuer } from './tokens.mjs';

if (direct) {
  console.log('# without Holdfast nobody looks at tokens');
  process.exit(77);
}

const issuer = new Issuer();
const key = join(scratch(), 'issuer.pem');
writeFileSync(key, issuer.publicKey);
const verified = {
  server: `session_user jwt sub; jwt_algorithm RS256; jwt_key_file ${key}; jwt_issuer ${issuer.name};
           jwt_audience mcp; jwt_leeway 0;`,
};
const targets = {
  '/mcp': await startTarget(() => startEverything('streamableHttp'), '', verified),
  '/sse': await startTarget(() => startEverything('sse'), '', verified),
};
after(async () => {
  for (const target of Object.values(targets)) await target.stop();
});

// The tokens of one person's client, as the SDKs of both generations ask for them.
class Wallet {
  renewals = 0;

  constructor(sub) {
    this.sub = sub;
    this.renew();
  }
  renew() {
    this.current = issuer.token(this.sub);
  }
  expire() {
    this.current = issuer.token(this.sub, { lifetimeS: -60 });
  }
  // 1.x
  tokens = async () => ({ access_token: this.current, token_type: 'Bearer' });
  // 2.x: asked before every request, and told when one was not good enough.
  token = async () => this.current;
  onUnauthorized = async () => {
    this.renewals += 1;
    this.renew();
  };
}

const at = (name) => targets[dialects[name].path];
const connect = (name, wallet, options = {}) =>
  dialects[name].connect(at(name).url + dialects[name].path, wallet.sub, { authProvider: wallet, ...options });

const echo = async (session) => assert.equal(await session.call('echo', { message: 'here' }), 'Echo: here');
const lastPost = (session) => session.http.past.findLast((e) => e.method === 'POST');

async function sessionsOf(target) {
  const answer = await within('health', fetch(`${target.url}/health`));
  return (await answer.json()).sessions.byUser;
}

for (const name of ['sdk1Streamable', 'sdk2Streamable', 'sdk1Legacy', 'sdk2Legacy']) {
  test(`${name}_goes_on_with_a_renewed_token`, async () => {
    const wallet = new Wallet(`renewing-${name}`);
    const session = await connect(name, wallet);
    await echo(session);
    const { id } = session;
    for (let i = 0; i < 3; ++i) {
      wallet.renew();
      await echo(session);
      // On HTTP+SSE the answer may be here before the head of the POST that asked for it.
      const renewed = (e) => e.requestHeaders.get('authorization') === `Bearer ${wallet.current}`;
      await session.http.wait('a POST with the new token', (e) => e.method === 'POST' && renewed(e));
    }
    assert.equal(session.id, id);
    const users = await sessionsOf(at(name));
    const mine = Object.entries(users).filter(([user]) => user.includes(wallet.sub));
    assert.deepEqual(mine.map(([, count]) => count), [1]); // one user, one session
    wallet.renew();
    if (id !== undefined) await within('DELETE', session.transport.terminateSession());
    await session.close();
  });
}

// What a client does whose token has run out: it hears 401, gets another one, and asks again.
test('sdk2Streamable_renews_a_token_that_has_expired_and_keeps_its_session', async () => {
  const wallet = new Wallet('late');
  const session = await connect('sdk2Streamable', wallet);
  const { id } = session;
  wallet.expire();
  await echo(session);
  assert.ok(wallet.renewals >= 1);
  const statuses = session.http.past.filter((e) => e.method === 'POST').map((e) => e.status);
  assert.ok(statuses.includes(401), `${statuses}`);
  assert.equal(session.id, id);
  await session.close();
});

for (const name of ['sdk1Streamable', 'sdk2Streamable']) {
  test(`${name}_finds_no_session_of_another_user`, async () => {
    const alice = await connect(name, new Wallet(`alice-${name}`));
    // Who has the id, and a good token of his own.
    const mallory = await connect(name, new Wallet(`mallory-${name}`), { sessionId: alice.id });
    await assert.rejects(mallory.call('echo', { message: 'hers' }));
    assert.equal(lastPost(mallory).status, 404);
    await echo(alice);
    await mallory.close();
    await alice.close();
  });
}

const bad = {
  expired: (sub) => issuer.token(sub, { lifetimeS: -60 }),
  forged: (sub) => new Issuer(issuer.name).token(sub),
  of_another_issuer: (sub) => issuer.token(sub, { iss: 'https://elsewhere.example.com' }),
  for_another_service: (sub) => issuer.token(sub, { aud: 'mail' }),
  unsigned: (sub) => {
    const [, payload] = issuer.token(sub).split('.');
    return `${Buffer.from('{"alg":"none"}').toString('base64url')}.${payload}.`;
  },
};

for (const [kind, make] of Object.entries(bad)) {
  test(`a_token_that_is_${kind}_is_401_to_begin_with_and_on_a_session`, async () => {
    const wallet = new Wallet(`owner-${kind}`);
    const session = await connect('sdk1Streamable', wallet);
    const post = (headers) =>
      within(
        'POST',
        fetch(`${targets['/mcp'].url}/mcp`, {
          method: 'POST',
          headers: {
            'content-type': 'application/json',
            accept: 'application/json, text/event-stream',
            authorization: `Bearer ${make(wallet.sub)}`,
            ...headers,
          },
          body: JSON.stringify({ jsonrpc: '2.0', id: 'x', method: 'ping' }),
        }),
      );
    for (const headers of [{}, { 'mcp-session-id': session.id }]) {
      const refused = await post(headers);
      assert.equal(refused.status, 401);
      assert.match(refused.headers.get('www-authenticate'), /^Bearer error="invalid_token"/);
      assert.equal((await refused.json()).id, 'x');
    }
    // The SDK's own way to begin with it.
    const options = { requestInit: { headers: { authorization: `Bearer ${make(wallet.sub)}` } } };
    const { url } = targets['/mcp'];
    await assert.rejects(dialects.sdk1Streamable.connect(`${url}/mcp`, 'nobody', options), /401|[Uu]nauthorized/);
    await echo(session); // its owner has not noticed
    await session.close();
  });
}
