// Our codec beside Node's own strict parser: whatever ours accepts, Node must frame in the same way,
// message by message, or two readers of one connection would disagree about where a request ends.
// Ours may refuse what Node accepts; the other way round is a failure, but for what is listed.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import http from 'node:http';
import net from 'node:net';
import { test } from 'node:test';
import { mutated, smuggledRequests, smuggledResponses, soundRequests, soundResponses } from './framing_corpus.mjs';
import { within } from './lib.mjs';

const atOnce = 32; // cases under way at a time
const hex = (text) => Buffer.from(text, 'latin1').toString('hex');
const shown = (text) => JSON.stringify(text.length > 300 ? text.slice(0, 300) + '…' : text);

// What ours accepts and Node refuses, each with the reason why ours is right to.
const tolerated = {
  request: [
    {
      why: 'a framing field in a trailer section has no effect: trailers are dropped (RFC 9110 6.5.1)',
      fits: (text) => /\r\n0+(;[^\r\n]*)?\r\n([^\r\n]+\r\n)*(content-length|transfer-encoding):/i.test(text),
    },
  ],
  response: [],
};

function ours(kind, cases) {
  const lines = cases.map((text) => `${kind} ${kind === 'response' ? 'GET ' : ''}${hex(text)}\n`);
  const out = execFileSync(process.env.HF_CODEC_EVENTS, { input: lines.join(''), maxBuffer: 1 << 28 });
  return out.toString().trimEnd().split('\n').map((line) => JSON.parse(line));
}

// Runs `one` for every case, some at a time, and keeps the order.
async function each(cases, one) {
  const results = new Array(cases.length);
  let next = 0;
  const worker = async () => {
    while (next < cases.length) {
      const i = next++;
      results[i] = await within(shown(cases[i]), one(cases[i]));
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return results;
}

// The origin-form of a target, as ours is forwarded.
const originForm = (target) => target.replace(/^https?:\/\/[^/?#]*/i, '') || '/';

async function nodeRequests(cases) {
  const seen = new Map(); // by the client's port
  const server = http.createServer({ insecureHTTPParser: false, maxHeaderSize: 1 << 16, keepAliveTimeout: 60_000 });
  const take = (request, response) => {
    const list = seen.get(request.socket.remotePort);
    const pieces = [];
    request.on('data', (piece) => pieces.push(piece));
    request.on('error', () => {}); // ignoring: a message that does not end is not in the list
    request.on('end', () => {
      list.push({ method: request.method, target: originForm(request.url), body: Buffer.concat(pieces).toString('hex') });
      response.end();
    });
  };
  server.on('request', take).on('checkContinue', take).on('checkExpectation', take);
  server.on('clientError', (_, socket) => socket.destroy());
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const results = await each(cases, (text) => new Promise((resolve) => {
    const list = [];
    const socket = net.connect(server.address().port, '127.0.0.1', () => {
      seen.set(socket.localPort, list);
      const port = socket.localPort;
      socket.on('close', () => { seen.delete(port); resolve(list); });
      socket.end(Buffer.from(text, 'latin1'));
    });
    socket.on('error', () => {}).resume(); // ignoring: close follows
  }));
  server.close();
  return results;
}

// What lies behind an answer is dropped with its connection here; Node gives up the answer as well.
// So Node is shown what ours takes for the answer: it must find it complete at the same place.
async function nodeResponses(whole, mine) {
  const cases = whole.map((text, i) => (mine[i].length > 0 ? text.slice(0, mine[i][0].end) : text));
  const server = net.createServer((socket) => {
    socket.on('error', () => {}); // ignoring: the client has seen enough
    socket.once('data', (head) => {
      const number = Number(/^GET \/(\d+) /.exec(head.toString('latin1'))[1]);
      socket.end(Buffer.from(cases[number], 'latin1'));
    });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const numbers = cases.map((_, i) => i);
  const results = await each(numbers.map(String), (number) => new Promise((resolve) => {
    const request = http.request({ host: '127.0.0.1', port: server.address().port, path: `/${number}`,
      agent: false, insecureHTTPParser: false, maxHeaderSize: 1 << 16 });
    request.on('error', () => resolve([]));
    request.on('response', (response) => {
      const pieces = [];
      response.on('data', (piece) => pieces.push(piece));
      response.on('error', () => {}); // ignoring: close says whether it was complete
      response.on('close', () => resolve(response.complete
        ? [{ status: response.statusCode, body: Buffer.concat(pieces).toString('hex') }] : []));
    });
    request.end();
  }));
  server.close();
  return results;
}

// The cases in which Node does not find, message by message, what ours has accepted.
function differences(kind, cases, mine, node) {
  const found = [];
  cases.forEach((text, i) => {
    const same = mine[i].every((message, n) => {
      try {
        const { end: _, ...meant } = message;
        assert.deepEqual(node[i][n], meant);
        return true;
      } catch {
        return false;
      }
    });
    if (same || tolerated[kind].some((row) => row.fits(text))) return;
    found.push(`${shown(text)}\n  ours: ${JSON.stringify(mine[i])}\n  node: ${JSON.stringify(node[i])}`);
  });
  return found;
}

function check(kind, cases, mine, node) {
  const found = differences(kind, cases, mine, node);
  assert.equal(found.length, 0, `${found.length} of ${cases.length} differ:\n${found.slice(0, 20).join('\n')}`);
}

const kinds = {
  request: { sound: soundRequests, smuggled: smuggledRequests, node: nodeRequests },
  response: { sound: soundResponses, smuggled: smuggledResponses, node: nodeResponses },
};

for (const [kind, { sound, smuggled, node }] of Object.entries(kinds)) {
  test(`sound ${kind}s are accepted by both and mean the same`, async () => {
    const mine = ours(kind, sound);
    mine.forEach((messages, i) => assert.ok(messages.length > 0, `refused here: ${shown(sound[i])}`));
    const theirs = await node(sound, mine);
    theirs.forEach((messages, i) => assert.equal(messages.length, mine[i].length, shown(sound[i])));
    check(kind, sound, mine, theirs);
  });

  test(`no known way of smuggling ${kind}s finds two readers`, async () => {
    const mine = ours(kind, smuggled);
    check(kind, smuggled, mine, await node(smuggled, mine));
  });

  test(`changed ${kind}s mean the same or are refused here`, async () => {
    const cases = mutated([...sound, ...smuggled], 4000, 20260722);
    const mine = ours(kind, cases);
    const accepted = mine.filter((messages) => messages.length > 0).length;
    assert.ok(accepted > 400, `only ${accepted} were accepted: the comparison says little`);
    check(kind, cases, mine, await node(cases, mine));
  });

  test(`the comparison of ${kind}s can fail`, async () => {
    const mine = ours(kind, sound);
    const theirs = await node(sound, mine);
    for (const spoil of [
      (message) => ({ ...message, body: message.body + '00' }),
      (message) => (kind === 'request' ? { ...message, target: message.target + 'x' } : { ...message, status: 299 }),
    ]) {
      const spoilt = mine.map((messages) => messages.map(spoil));
      assert.equal(differences(kind, sound, spoilt, theirs).length, sound.length);
    }
    const oneMore = mine.map((messages) => [...messages, messages[0]]);
    assert.equal(differences(kind, sound, oneMore, theirs).length, sound.length);
  });
}
