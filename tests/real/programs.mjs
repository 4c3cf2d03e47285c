// Starts what a test talks to: a real MCP server, and Holdfast in front of it. Every program binds
// port 0 of the loopback and says which port it got.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Child, direct, here, scratch } from './lib.mjs';

const binaries = process.env.HF_BIN_DIR ?? join(here, '../../build/release/bin');
const listening = /^listening (127\.0\.0\.1:\d+|unix:.+)$/;

// server-everything: `streamableHttp` serves /mcp, `sse` serves /sse and /message. With a path it
// listens there, so that another one can take its place.
export async function startEverything(transport, path = '') {
  const script = join(here, 'node_modules/@modelcontextprotocol/server-everything/dist/index.js');
  const preload = join(here, 'loopback_only.cjs');
  const child = new Child('server-everything', process.execPath, ['--require', preload, script, transport], {
    PORT: '0',
    HF_LISTEN_PATH: path,
  });
  return { child, address: (await child.line(listening))[1] };
}

// One of our own programs of this folder that say where they listen.
async function startScript(name, ...args) {
  const child = new Child(name, process.execPath, [join(here, `${name}.mjs`), ...args]);
  return { child, address: (await child.line(listening))[1] };
}

export const startJson = () => startScript('json_server');
export const startForgetful = (idleMs) => startScript('forgetful_server', String(idleMs));
export const startModern = (...name) => startScript('modern_server', ...name);
// With a path it listens there, so that another one can take its place.
export const startConformance = (...path) => startScript('conformance_server', ...path);
export const startRelay = (address, fault) => startScript('faulty_relay', address, fault);

// Where set, a folder with certificate.pem and key.pem: the proxy speaks TLS with them.
const tls = process.env.HF_REAL_TLS;
const listen = tls
  ? `listen 127.0.0.1:0 ssl; ssl_certificate ${tls}/certificate.pem; ssl_certificate_key ${tls}/key.pem;`
  : 'listen 127.0.0.1:0;';

const proxyConf = (backend, { main = '', server = '', location = '', upstream = '' } = {}) => `
worker_processes 2;
pid proxy.pid;
sessiond unix:sessiond.sock;
upstream backend { server ${backend}; ${upstream} keepalive 64; }
${main}
server {
    ${listen}
    location = /health { holdfast_health; }
    ${server}
    location / { proxy_pass http://backend; ${location} }
}
`;

const sessiondConf = (policy) => `
control_socket sessiond.sock;
pid sessiond.pid;
admin_socket   admin.sock;
http_socket    http.sock;
${policy}
`;

// Both daemons in front of the backend at that address. `policy` are directives of sessiond.conf,
// `proxyDirectives`
// those of proxy.conf: beside its server, of its server and of its location.
export async function startPair(backend, policy = '', proxyDirectives = {}) {
  const folder = scratch();
  writeFileSync(join(folder, 'sessiond.conf'), sessiondConf(policy));
  writeFileSync(join(folder, 'proxy.conf'), proxyConf(backend, proxyDirectives));
  const run = (name, conf, args = ['-c', join(folder, conf)]) =>
    new Child(name, join(binaries, name), args);
  const sessiond = run('holdfast-sessiond', 'sessiond.conf');
  await sessiond.line(/event=ready\b/);
  const proxy = run('holdfast-proxy', 'proxy.conf');
  const address = (await proxy.line(/event=listening .*\baddress=(127\.0\.0\.1:\d+)/))[1];
  const pair = { address, proxy, sessiond, children: [proxy, sessiond] };
  // holdfastctl on this pair: its exit code and what it printed.
  pair.ctl = async (...words) => {
    const child = run('holdfastctl', null, ['-s', join(folder, 'admin.sock'), ...words]);
    return { code: await child.exited, out: child.lines.join('\n') };
  };
  // The policy from now on, of the sessions there are as well.
  pair.setPolicy = async (directives) => {
    writeFileSync(join(folder, 'sessiond.conf'), sessiondConf(directives));
    const since = sessiond.lines.length;
    process.kill(sessiond.pid, 'SIGHUP');
    await sessiond.line(/event=reloaded/, since);
  };
  // Another proxy on the same port, after the first one has ended.
  pair.restartProxy = async () => {
    const conf = proxyConf(backend, proxyDirectives).replace('127.0.0.1:0', address);
    writeFileSync(join(folder, 'proxy.conf'), conf);
    pair.proxy = run('holdfast-proxy', 'proxy.conf');
    pair.children[0] = pair.proxy;
    await pair.proxy.line(/event=sessiond_linked/);
  };
  return pair;
}

// The same in front of several backends; `upstream`: more of the upstream block.
export const startServersPair = ([first, ...others], upstream = '') =>
  startPair(first, '', {
    upstream: [...others.map((address) => `server ${address};`), upstream].join(' '),
  });

// A backend, and unless --direct was given the pair in front of it. stop() reports a daemon that
// did not end cleanly.
export async function startTarget(startBackend, policy = '', proxyDirectives = {}) {
  const backend = await startBackend();
  const pair = direct
    ? { address: backend.address, children: [] }
    : await startPair(backend.address, policy, proxyDirectives);
  return {
    url: `${tls && !direct ? 'https' : 'http'}://${pair.address}`,
    backend: backend.child,
    backendUrl: `http://${backend.address}`,
    proxy: pair.proxy,
    sessiond: pair.sessiond,
    setPolicy: pair.setPolicy,
    async stop() {
      for (const child of pair.children) {
        const how = await child.stop();
        if (how !== 0) throw new Error(`${child.name} ended with ${how}`);
      }
      await backend.child.stop();
    },
  };
}
