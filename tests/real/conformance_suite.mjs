// Runs the official MCP conformance suite against a URL and tells how two runs differ. What counts
// is one scenario at a time, never totals: a proxy that loses a header can turn three passed checks
// into a happy two, and many checks pass when nothing answers at all.
import { execFile } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { here, scratch } from './lib.mjs';

export const revisions = ['2025-11-25', '2026-07-28'];

const suite = join(here, 'node_modules/@modelcontextprotocol/conformance/dist/index.js');
const summary = /^([✓✗]) (\S+): (\d+) passed, (\d+) failed$/;

// A run takes some three seconds; the suite itself gives up on one scenario after 30.
const run_deadline_ms = 240_000;

// Of each run alone: ids that are random, clocks, headers that are about one connection only, and
// the one the proxy adds to answers on its sessions.
const volatile_keys = /^(timestamp|date|connection|keep-alive|holdfast-session-ttl|specReferences)$/;
const random_keys = /^(mcp-session-id|sessionId|sessionIdSent|requestState|.*subscriptionId)$/;
const uuid = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g;

// What the suite recorded, without what differs from run to run; `host` is the URL's own.
function masked(value, host, key = '') {
  if (random_keys.test(key) && value !== null) return '(random)';
  if (typeof value === 'string') return value.replaceAll(host, '(host)').replace(uuid, '(uuid)');
  if (Array.isArray(value)) return value.map((item) => masked(item, host));
  if (typeof value !== 'object' || value === null) return value;
  const kept = Object.entries(value).filter(([name]) => !volatile_keys.test(name));
  return Object.fromEntries(kept.map(([name, item]) => [name, masked(item, host, name)]));
}

// The folder of one scenario's result ends in the time it was written.
const scenarioOf = (folder) =>
  folder.replace(/^server-/, '').replace(/-\d{4}-\d\d-\d\dT[\d-]+Z$/, '');

// By scenario; one that threw has a folder and nothing in it.
function readChecks(output) {
  const checks = new Map();
  for (const folder of readdirSync(output)) {
    const file = join(output, folder, 'checks.json');
    if (existsSync(file)) checks.set(scenarioOf(folder), JSON.parse(readFileSync(file, 'utf8')));
  }
  return checks;
}

function outcomeOf([, mark, name, passed, failed], checks, host) {
  return {
    name,
    passes: mark === '✓',
    line: `${mark} ${passed} passed, ${failed} failed`,
    // What the scenario judged: a check that is skipped or warns appears in no count.
    checks: checks.filter((c) => c.status !== 'INFO').map((c) => `${c.status} ${c.name}`),
    // What it saw while it judged.
    evidence: JSON.stringify(
      checks.map((check) => masked(check, host)),
      null,
      1,
    ).split('\n'),
  };
}

// Runs the suite and returns its stdout. Its exit code says whether scenarios failed, which is not
// the question here.
function suiteOutput(args) {
  return new Promise((resolve, reject) => {
    const options = { timeout: run_deadline_ms };
    execFile(process.execPath, [suite, ...args], options, (error, stdout, stderr) => {
      if (/^Total: /m.test(stdout)) return resolve(stdout);
      const said = `${stdout.slice(-2000)}${stderr.slice(-2000)}`;
      return reject(new Error(`the suite did not finish: ${error ?? ''}\n${said}`));
    });
  });
}

// Every scenario the revision names, as Map name → outcome.
export async function runSuite(url, revision) {
  const output = scratch();
  const stdout = await suiteOutput([
    'server',
    '--url',
    url,
    '--requirements',
    revision,
    '-o',
    output,
  ]);
  const lines = stdout
    .split('\n')
    .map((line) => summary.exec(line))
    .filter((match) => match !== null);
  const checks = readChecks(output);
  const { host } = new URL(url);
  const outcomes = lines.map((match) => outcomeOf(match, checks.get(match[2]) ?? [], host));
  return new Map(outcomes.map((outcome) => [outcome.name, outcome]));
}

// The lines that only one of two lists has, in order, marked "-" and "+".
function changedLines(before, after) {
  const only = (list, other, mark) => {
    const left = [...other];
    return list
      .filter((line) => {
        const at = left.indexOf(line);
        if (at >= 0) left.splice(at, 1);
        return at < 0;
      })
      .map((line) => `${mark} ${line.trim()}`);
  };
  return [...only(before, after, '-'), ...only(after, before, '+')];
}

// Holdfast refuses a foreign Host or Origin by itself, so that the refusal's text is its own.
const refused_by_us = 'dns-rebinding-protection';

function differenceOf(name, direct, through, evidence) {
  if (!direct || !through) return [direct ? '- ran only directly' : '+ ran only through the proxy'];
  const lines = changedLines([direct.line, ...direct.checks], [through.line, ...through.checks]);
  if (lines.length > 0 || !evidence || name === refused_by_us) return lines;
  return changedLines(direct.evidence, through.evidence);
}

// One row {name, direct, through, difference} per scenario of either run; `difference` holds the
// lines that tell it, none if there is none. With `evidence` also what the suite recorded must be
// equal.
export function compareRuns(direct, through, { evidence }) {
  return [...new Set([...direct.keys(), ...through.keys()])].map((name) => ({
    name,
    direct: direct.get(name)?.line ?? '(did not run)',
    through: through.get(name)?.line ?? '(did not run)',
    difference: differenceOf(name, direct.get(name), through.get(name), evidence),
  }));
}
