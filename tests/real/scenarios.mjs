// What every client must be able to do through Holdfast, whatever the transport: written once, run
// by each *_test.mjs with its dialect against server-everything.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import test from 'node:test';

const sha256 = (text) => createHash('sha256').update(text).digest('hex');

// A test with its own session, closed whatever happens.
export function withSession(name, dialect, target, body) {
  test(name, async () => {
    const session = await dialect.connect(target.url + dialect.path, `client-${randomBytes(4).toString('hex')}`);
    try {
      await body(session);
    } finally {
      await session.close();
    }
  });
}

async function lists_tools(session) {
  const { tools } = await session.client.listTools();
  const names = tools.map((tool) => tool.name);
  assert.ok(names.includes('echo'));
  assert.ok(names.includes('trigger-sampling-request'), 'the server knows our capabilities');
}

async function calls_a_tool(session) {
  assert.equal(await session.call('echo', { message: 'grüße, 世界 \u{1f980}' }), 'Echo: grüße, 世界 \u{1f980}');
  assert.equal(await session.call('get-sum', { a: 2, b: 40 }), 'The sum of 2 and 40 is 42.');
}

async function carries_1_mib_each_way(session) {
  // Characters of several bytes, so that some chunk boundary falls inside one.
  const message = randomBytes(768 * 1024).toString('base64').replace(/.{97}/g, '$&é世\u{1f980}');
  assert.ok(Buffer.byteLength(message) > 1024 * 1024);
  const answer = await session.call('echo', { message });
  assert.equal(answer.length, message.length + 'Echo: '.length);
  assert.equal(sha256(answer), sha256(`Echo: ${message}`));
}

async function delivers_progress_unbuffered(session) {
  const seconds = 2;
  const arrivals = [];
  await session.call(
    'trigger-long-running-operation',
    { duration: seconds, steps: 4 },
    { onprogress: ({ progress }) => arrivals.push({ progress, at: performance.now() }) },
  );
  // Without the fourth: the SDK drops a notification that it reads together with the result.
  assert.deepEqual(arrivals.slice(0, 3).map((a) => a.progress), [1, 2, 3]);
  // The first comes 1.5 s before the result; a proxy that holds events back delivers both together.
  const lead_ms = performance.now() - arrivals[0].at;
  assert.ok(lead_ms > 500, `the first progress came only ${lead_ms} ms before the result`);
}

async function answers_a_request_of_the_server(session) {
  const text = await session.call('trigger-sampling-request', { prompt: 'who are you?', maxTokens: 5 });
  assert.equal(session.samplings, 1);
  assert.ok(text.includes(session.marker), text);
}

async function receives_resource_updates(session) {
  await session.stream();
  const uri = 'demo://resource/dynamic/text/7';
  await session.client.subscribeResource({ uri });
  await session.call('toggle-subscriber-updates');
  await session.updates.wait('notifications/resources/updated', (seen) => seen === uri);
  await session.call('toggle-subscriber-updates');
}

export function everythingScenarios(dialect, target) {
  for (const body of [
    lists_tools,
    calls_a_tool,
    carries_1_mib_each_way,
    delivers_progress_unbuffered,
    answers_a_request_of_the_server,
    receives_resource_updates,
  ]) {
    withSession(body.name, dialect, target, body);
  }
}

// One of many: everything it receives must be its own.
async function keeps_to_itself(session, index) {
  const uri = `demo://resource/dynamic/text/${1000 + index}`;
  await session.stream();
  await session.client.subscribeResource({ uri });
  await session.call('toggle-subscriber-updates');
  const calls = [];
  for (let i = 0; i < 4; ++i) {
    const message = `${session.marker} ${i}`;
    calls.push(session.call('echo', { message }).then((text) => assert.equal(text, `Echo: ${message}`)));
    calls.push(
      session
        .call('trigger-sampling-request', { prompt: message, maxTokens: 5 })
        .then((text) => assert.ok(text.includes(session.marker), `${session.marker} got: ${text}`)),
    );
  }
  await Promise.all(calls);
  await session.updates.wait(`update of ${uri}`, (seen) => seen === uri);
  assert.equal(session.samplings, 4);
  assert.deepEqual([...new Set(session.updates.past)], [uri]);
}

export function concurrencyScenario(dialect, target, sessions_count = 50) {
  test(`${sessions_count}_sessions_at_once_do_not_mix`, async () => {
    const markers = Array.from({ length: sessions_count }, (_, i) => `client-${i}-${randomBytes(8).toString('hex')}`);
    const connecting = markers.map((marker) => dialect.connect(target.url + dialect.path, marker));
    const sessions = (await Promise.allSettled(connecting)).flatMap((r) => r.value ?? []);
    try {
      await Promise.all(connecting);
      await Promise.all(sessions.map(keeps_to_itself));
    } finally {
      await Promise.all(sessions.map((session) => session.close()));
    }
  });
}
