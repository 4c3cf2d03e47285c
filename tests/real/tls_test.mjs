// The SDK clients over https: the scenarios of their own tests, in a process that trusts one more
// certificate (Node reads NODE_EXTRA_CA_CERTS only when it starts).
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { test } from 'node:test';
import { here, scratch } from './lib.mjs';

const folder = scratch();
const certificate = join(folder, 'certificate.pem');
const made = spawnSync('openssl', [
  ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'],
  ...['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1'],
  ...['-keyout', join(folder, 'key.pem'), '-out', certificate],
]);
assert.equal(made.status, 0, String(made.stderr));

for (const name of ['sdk1_streamable', 'sdk2_streamable', 'sdk2_legacy']) {
  test(`${name}_over_https`, async () => {
    const child = spawn(process.execPath, [join(here, `${name}_test.mjs`)], {
      env: { ...process.env, HF_REAL_TLS: folder, NODE_EXTRA_CA_CERTS: certificate, NODE_TEST_CONTEXT: '' },
      stdio: 'inherit',
    });
    const [code] = await once(child, 'exit');
    assert.equal(code, 0);
  });
}
