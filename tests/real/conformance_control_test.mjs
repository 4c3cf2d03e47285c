// The negative controls of conformance.mjs: behind a relay with one fault it must report a
// difference, and none behind the same relay without a fault. Nothing here runs Holdfast. The one
// argument is the revision.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import test, { after } from 'node:test';
import { compareRuns, runSuite } from './conformance_suite.mjs';
import { here } from './lib.mjs';
import { startConformance, startRelay } from './programs.mjs';

const revision = process.argv[2];

const server = await startConformance();
after(() => server.child.stop());
const direct = await runSuite(`http://${server.address}/mcp`, revision);

async function throughRelay(fault) {
  const relay = await startRelay(server.address, fault);
  try {
    return compareRuns(direct, await runSuite(`http://${relay.address}/mcp`, revision), {
      evidence: true,
    });
  } finally {
    await relay.child.stop();
  }
}

const differing = (rows) => rows.filter((row) => row.difference.length > 0).map((row) => row.name);

test('a_relay_without_a_fault_is_the_same', async () => {
  assert.deepEqual(differing(await throughRelay('none')), []);
});

// Each fault, where it shows, and whether the suite itself still calls that scenario passed.
const faults = {
  '2025-11-25': [
    ['drops_last_event_id', 'server-sse-polling', true],
    ['drops_session_id', 'server-session-lifecycle', true],
    ['rewrites_host', 'dns-rebinding-protection', false],
    ['alters_text', 'tools-call-simple-text', true],
    ['drops_progress', 'tools-call-with-progress', false],
  ],
  '2026-07-28': [
    ['drops_header_parameters', 'http-custom-header-server-validation', false],
    ['rewrites_status', 'server-stateless', false],
    ['buffers', 'server-stateless', false],
  ],
};
for (const [fault, scenario, passes] of faults[revision]) {
  test(`a_relay_that_${fault}_differs_in_${scenario}`, async () => {
    const row = (await throughRelay(fault)).find(({ name }) => name === scenario);
    assert.ok(row.difference.length > 0, `${scenario} is the same: ${row.through}`);
    assert.equal(row.through.startsWith('✓'), passes, row.through);
  });
}

// The script as a person calls it.
function script(...args) {
  return spawnSync(process.execPath, [join(here, 'conformance.mjs'), ...args], {
    encoding: 'utf8',
    timeout: 120_000,
  });
}

const [first_fault, its_scenario] = faults[revision][0];
test('the_script_exits_with_1_and_names_the_scenario', async () => {
  const relay = await startRelay(server.address, first_fault);
  const url = (address) => `http://${address}/mcp`;
  const run = script(
    '--revision',
    revision,
    '--direct',
    url(server.address),
    '--through',
    url(relay.address),
  );
  await relay.child.stop();
  assert.equal(run.status, 1, run.stderr);
  assert.match(run.stdout, new RegExp(`^${its_scenario} .* DIFFERS$`, 'm'));
  assert.match(run.stdout, new RegExp(`^${revision}: ${direct.size} scenarios, 1 differ$`, 'm'));
});

test('the_script_refuses_a_dead_server', async () => {
  const relay = await startRelay(server.address, 'none');
  await relay.child.stop();
  const dead = `http://${relay.address}/mcp`;
  const run = script('--direct', dead, '--through', dead);
  assert.equal(run.status, 2, run.stdout);
  assert.match(run.stderr, /^conformance: /m);
});
