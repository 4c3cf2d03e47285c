// A plain HTTP relay that does one thing wrong: the control that shows the conformance comparison
// can fail. Started as `faulty_relay.mjs HOST:PORT FAULT`; it says where it listens.
import { createServer, request } from 'node:http';

const [, , backend, fault] = process.argv;
const [host, port] = backend.split(':');

// One row per fault: what it does to the request's headers, the response's headers or the body.
const faults = {
  none: {},
  drops_last_event_id: { request: (headers) => delete headers['last-event-id'] },
  drops_header_parameters: { request: (headers) => delete headers['mcp-param-region'] },
  rewrites_host: {
    request: (headers) => {
      headers.host = backend;
      delete headers.origin;
    },
  },
  drops_session_id: { response: (headers) => delete headers['mcp-session-id'] },
  rewrites_status: { status: (status) => (status === 404 ? 400 : status) },
  alters_text: { body: (text) => text.replace('response for testing', 'response for tasting') },
  drops_progress: {
    body: (text) =>
      text.replace(/event: message\n(id: .*\n)?data: .*notifications\/progress.*\n\n/, ''),
  },
  // Forwards a body only once it is complete, as a proxy with response buffering does.
  buffers: { whole: true },
};
const does = faults[fault];
if (does === undefined) throw new Error(`no such fault: ${fault}`);

function relayBody(from, to) {
  const chunks = [];
  from.on('data', (chunk) => {
    if (does.whole) chunks.push(chunk);
    else to.write(does.body ? does.body(chunk.toString()) : chunk);
  });
  from.on('end', () => to.end(Buffer.concat(chunks)));
}

function relay(req, res) {
  const headers = { ...req.headers };
  does.request?.(headers);
  const onward = request({ host, port, method: req.method, path: req.url, headers }, (answer) => {
    const answer_headers = { ...answer.headers };
    does.response?.(answer_headers);
    // A changed body has another length.
    if (does.body) delete answer_headers['content-length'];
    res.writeHead(does.status?.(answer.statusCode) ?? answer.statusCode, answer_headers);
    if (!does.whole) res.flushHeaders();
    relayBody(answer, res);
  });
  // Either side's end is the other's; what was left unsaid is lost, as with any relay.
  onward.on('error', () => res.destroy());
  res.on('close', () => onward.destroy());
  req.pipe(onward);
}

const http = createServer(relay);
http.listen(0, '127.0.0.1', () => console.log(`listening 127.0.0.1:${http.address().port}`));
