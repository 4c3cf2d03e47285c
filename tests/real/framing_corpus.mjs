// Messages for the comparison of parsers: well-formed ones, the known ways of smuggling, and what a
// seeded generator makes of both by cutting, doubling and replacing bytes and lines. Strings are
// latin1: a character is a byte.
const host = 'Host: localhost\r\n';
const get = (fields, target = '/') => `GET ${target} HTTP/1.1\r\n${host}${fields}\r\n`;
const post = (fields, body) => `POST / HTTP/1.1\r\n${host}${fields}\r\n${body}`;
const chunked = 'Transfer-Encoding: chunked\r\n';
const next = get('', '/next');
const ok = (fields, body = '') => `HTTP/1.1 200 OK\r\n${fields}\r\n${body}`;

// Every one of these is accepted by both sides: a comparison of refusals alone would prove nothing.
export const soundRequests = [
  get(''),
  get('') + next,
  get('Accept: */*\r\nX: \xe9\t \r\n', '/a%20b?c=d&e=%zz'),
  get('', 'http://localhost/a?b') + next,
  '\r\n' + get('') + next,
  post('Content-Length: 0\r\n', '') + next,
  post('Content-Length: 5\r\n', 'hello') + next,
  post('content-length:5\r\n', 'GET /') + next,
  post(chunked, '5\r\nhello\r\n0\r\n\r\n') + next,
  post(chunked, 'A\r\n0123456789\r\na\r\n0123456789\r\n000\r\n\r\n') + next,
  post(chunked, '5;a=b;c\r\nhello\r\n0\r\nX: y\r\n\r\n') + next,
  post(chunked, '5;a="b"\r\nhello\r\n0\r\n\r\n') + next,
  `DELETE /s HTTP/1.1\r\n${host}Content-Length: 2\r\n\r\nok` + next,
  `OPTIONS * HTTP/1.1\r\n${host}\r\n` + next,
  `HEAD / HTTP/1.1\r\n${host}\r\n` + next,
  `GET / HTTP/1.1\r\n${host}Connection: close\r\n\r\n`,
  `POST / HTTP/1.0\r\n${host}Content-Length: 2\r\n\r\nhi`,
];

export const smuggledRequests = [
  ...['', ' ', 'x', '0, 5', '5, 5', '+5', '-5', '0x5', '5 5', '05', '5\t', '1e1',
    '18446744073709551621', '99999999999999999999'].map((n) => post(`Content-Length: ${n}\r\n`, 'hello') + next),
  ...['Chunked', 'chunked ', ' chunked', '\tchunked', '\x0bchunked', 'chunked,', ',chunked', 'xchunked',
    'chunkedx', 'chunked;q=1', '"chunked"', 'identity', 'gzip, chunked', 'chunked, gzip', 'chunked, chunked',
    'identity, chunked', ''].map((c) => post(`Transfer-Encoding: ${c}\r\n`, '5\r\nhello\r\n0\r\n\r\n') + next),
  post('Content-Length: 5\r\n' + chunked, '0\r\n\r\n') + next,
  post(chunked + 'Content-Length: 5\r\n', '0\r\n\r\n') + next,
  post('Content-Length: 5\r\nContent-Length: 5\r\n', 'hello') + next,
  post('Content-Length: 5\r\nContent-Length: 6\r\n', 'hello!') + next,
  post('Content-Length : 5\r\n', 'hello') + next,
  post('Content-Length\x00: 5\r\n', 'hello') + next,
  post('Content_Length: 5\r\n', 'hello') + next,
  post(' Content-Length: 5\r\n', 'hello') + next,
  post('X: y\r\n Content-Length: 5\r\n', 'hello') + next,
  post('X: y\nContent-Length: 5\r\n', 'hello') + next,
  post('X: y\rContent-Length: 5\r\n', 'hello') + next,
  post('X: y\r\n\tchunked\r\n', '') + next,
  post('Transfer-Encoding:\r\n chunked\r\n', '0\r\n\r\n') + next,
  post(chunked + chunked, '0\r\n\r\n') + next,
  post(chunked + 'Transfer-Encoding: identity\r\n', '0\r\n\r\n') + next,
  `POST / HTTP/1.0\r\n${host}${chunked}\r\n0\r\n\r\n` + next,
  get('Content-Length: 5\r\n') + 'hello' + next,
  get(chunked) + '0\r\n\r\n' + next,
  ...['5\nhello\r\n0\r\n\r\n', '5\r\nhello\n0\r\n\r\n', '5\r\nhello0\r\n\r\n', '5\r\nhello\r\n0\n\n', ' 5\r\nhello\r\n0\r\n\r\n',
    '5 \r\nhello\r\n0\r\n\r\n', '+5\r\nhello\r\n0\r\n\r\n', '0x5\r\nhello\r\n0\r\n\r\n', '5;\nhello\r\n0\r\n\r\n',
    '5;a\rb\r\nhello\r\n0\r\n\r\n', '5;a="\r\n"\r\nhello\r\n0\r\n\r\n', '10000000000000005\r\nhello\r\n0\r\n\r\n',
    '00000000000000005\r\nhello\r\n0\r\n\r\n', '5\r\nhello\r\n\r\n0\r\n\r\n', '5\r\nhello\r\n0\r\nX\r\n\r\n',
    '5\r\nhello\r\n0\r\n Y: z\r\n\r\n', '5\r\nhello\r\n0\r\nContent-Length: 9\r\n\r\n', '\r\nhello\r\n0\r\n\r\n',
    '5\r\nhello\r\n0\r\n\r', '5\r\nhel', '5;' + 'e'.repeat(200) + '\r\nhello\r\n0\r\n\r\n',
  ].map((body) => post(chunked, body) + next),
  ...['GET / HTTP/1.1', 'GET  / HTTP/1.1', 'GET /  HTTP/1.1', 'GET / HTTP/1.1 ', 'GET\t/ HTTP/1.1', 'GET /\x00 HTTP/1.1',
    'GET / http/1.1', 'GET / HTTP/1.2', 'GET / HTTP/11', 'GET / HTTP/1.', 'GET /', 'GET / HTTP/2.0', 'G=T / HTTP/1.1',
    'get / HTTP/1.1', 'GET /\x7f HTTP/1.1', 'GET /\xe9 HTTP/1.1', 'GET /#f HTTP/1.1', 'GET * HTTP/1.1', 'GET a HTTP/1.1',
    'GET http:// HTTP/1.1', 'GET //x HTTP/1.1'].map((line) => `${line}\r\n${host}\r\n` + next),
  `GET / HTTP/1.1\r\n\r\n` + next,
  get('Host: other\r\n') + next,
  `GET / HTTP/1.1\n${host}\n` + next,
  get('\x00X: y\r\n') + next,
  get('X: \x01\r\n') + next,
  get(': y\r\n') + next,
  get('X y\r\n') + next,
];

export const soundResponses = [
  ok('Content-Length: 0\r\n'),
  ok('Content-Length: 5\r\n', 'hello'),
  ok(chunked, '5\r\nhello\r\n0\r\n\r\n'),
  ok(chunked, '5;a=b\r\nhello\r\n00\r\nX: y\r\n\r\n'),
  ok('', 'until the end'),
  'HTTP/1.0 200 OK\r\n\r\nuntil the end',
  'HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello',
  'HTTP/1.1 204 No Content\r\n\r\n',
  'HTTP/1.1 304 Not Modified\r\n\r\n',
  'HTTP/1.1 404 \r\nContent-Length: 1\r\n\r\nx',
  'HTTP/1.1 103 Early\r\nLink: </a>\r\n\r\n' + ok('Content-Length: 1\r\n', 'x'),
  'HTTP/1.1 100 Continue\r\n\r\n' + ok(chunked, '1\r\nx\r\n0\r\n\r\n'),
];

export const smuggledResponses = [
  ...['', 'x', '5, 5', '+5', '-5', '0x5', '05', '18446744073709551621'].map((n) => ok(`Content-Length: ${n}\r\n`, 'hello')),
  ok('Content-Length: 5\r\nContent-Length: 5\r\n', 'hello'),
  ok('Content-Length: 5\r\nContent-Length: 4\r\n', 'hello'),
  ok('Content-Length: 5\r\n' + chunked, '5\r\nhello\r\n0\r\n\r\n'),
  ...['gzip', 'gzip, chunked', 'chunked, gzip', 'identity', ' chunked', '\x0bchunked', 'xchunked'].map((c) =>
    ok(`Transfer-Encoding: ${c}\r\n`, '5\r\nhello\r\n0\r\n\r\n')),
  'HTTP/1.0 200 OK\r\n' + chunked + '\r\n5\r\nhello\r\n0\r\n\r\n',
  ok(chunked, '5\r\nhello\r\n'),
  ok(chunked, '5\r\nhello\r\n0\r\n'),
  ok(chunked, '5\nhello\r\n0\r\n\r\n'),
  ok(chunked, 'x\r\nhello\r\n0\r\n\r\n'),
  ok('Content-Length: 6\r\n', 'hello'),
  ok('X : y\r\nContent-Length: 5\r\n', 'hello'),
  ok('X: y\r\n z\r\nContent-Length: 5\r\n', 'hello'),
  'HTTP/1.1 200 OK\nContent-Length: 5\n\nhello',
  'HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n',
  'HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n',
  'HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello',
  'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n',
  'hello',
  '',
];

// mulberry32: small, and the same everywhere.
function random(seed) {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

const nasty = ['\r', '\n', '\r\n', '\r\n\r\n', ' ', '\t', '\x00', '\x0b', '\x7f', '\xff', ':', ';', ',', '0', '5', 'a', 'F', '+', '-',
  '"', 'Content-Length: 5\r\n', 'Transfer-Encoding: chunked\r\n', 'chunked', '0\r\n\r\n', '5\r\nhello\r\n'];

// `count` changed copies of the seeds, one to three changes each.
export function mutated(seeds, count, seed) {
  const pick = random(seed);
  const result = [];
  for (let i = 0; i < count; ++i) {
    let text = seeds[pick(seeds.length)];
    for (let change = 1 + pick(3); change > 0; --change) {
      const at = pick(text.length + 1);
      const length = pick(4);
      const other = nasty[pick(nasty.length)];
      const kind = pick(4);
      if (kind === 0) text = text.slice(0, at) + other + text.slice(at);
      if (kind === 1) text = text.slice(0, at) + text.slice(at + length);
      if (kind === 2) text = text.slice(0, at) + other + text.slice(at + other.length);
      if (kind === 3) {
        const lines = text.split('\r\n');
        lines.splice(pick(lines.length), 0, lines[pick(lines.length)]);
        text = lines.join('\r\n');
      }
    }
    result.push(text);
  }
  return result;
}
