// The official conformance suite, run against a server and against the same server through the
// proxy, scenario by scenario. Exit 0: the same; 1: a difference; 2: it could not be run.
import { parseArgs } from 'node:util';
import { compareRuns, revisions, runSuite } from './conformance_suite.mjs';
import { within } from './lib.mjs';
import { startConformance, startPair } from './programs.mjs';

const usage = `conformance.mjs [--revision R]… [--direct URL [--through URL]] [--evidence]

  --revision R   ${revisions.join(' or ')} (default: both)
  --direct URL   the server itself, with its path (default: conformance_server.mjs is started)
  --through URL  the same server through a proxy (default: the pair is started in front of it)
  --evidence     compare also what the suite recorded of every check, not only its verdicts;
                 always so for conformance_server.mjs, whose every byte is known`;

function options() {
  const { values } = parseArgs({
    options: {
      revision: { type: 'string', multiple: true, default: revisions },
      direct: { type: 'string' },
      through: { type: 'string' },
      evidence: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  const unknown = values.revision.find((revision) => !revisions.includes(revision));
  if (unknown !== undefined) throw new Error(`unknown revision "${unknown}"`);
  if (values.through && !values.direct) throw new Error('--through needs --direct');
  return values;
}

// An optional extension of 2026-07-28 that the SDK does not implement.
const not_implemented = /^tasks-/;

// Our own server must pass everything else: two runs that fail alike would otherwise be equal.
function requirePassing(outcomes) {
  const failing = [...outcomes.values()].filter((o) => !o.passes && !not_implemented.test(o.name));
  if (failing.length === 0) return;
  throw new Error(
    `the server itself fails ${failing.map((o) => `${o.name} (${o.line})`).join(', ')}`,
  );
}

// A dead server would be equal to itself. Any HTTP answer will do.
async function requireAlive(url) {
  const answer = await within(`an answer of ${url}`, fetch(url, { method: 'DELETE' }));
  await answer.body?.cancel();
}

function print(revision, rows) {
  const width = Math.max(...rows.map((row) => row.name.length));
  console.log(`\n${revision.padEnd(width + 2)}${'directly'.padEnd(24)}through the proxy`);
  for (const { name, direct, through, difference } of rows) {
    const mark = difference.length > 0 ? '   DIFFERS' : '';
    console.log(`${name.padEnd(width + 2)}${direct.padEnd(24)}${through}${mark}`);
    for (const line of difference.slice(0, 20)) console.log(`    ${line}`);
    if (difference.length > 20) console.log(`    … ${difference.length - 20} more lines`);
  }
  const differing = rows.filter((row) => row.difference.length > 0).length;
  console.log(`${revision}: ${rows.length} scenarios, ${differing} differ`);
  return differing;
}

async function targets({ direct, through }) {
  const started = [];
  if (!direct) {
    const server = await startConformance();
    started.push(server.child);
    direct = `http://${server.address}/mcp`;
  }
  if (!through) {
    const url = new URL(direct);
    const pair = await startPair(url.host);
    started.unshift(...pair.children);
    url.host = pair.address;
    through = url.href;
  }
  return { direct, through, started };
}

async function main() {
  const given = options();
  if (given.help) return (console.log(usage), 0);
  const own_server = !given.direct;
  const { direct, through, started } = await targets(given);
  await requireAlive(direct);
  await requireAlive(through);
  let differing = 0;
  for (const revision of given.revision) {
    const outcomes = await runSuite(direct, revision);
    if (own_server) requirePassing(outcomes);
    const evidence = given.evidence || own_server;
    differing += print(
      revision,
      compareRuns(outcomes, await runSuite(through, revision), { evidence }),
    );
  }
  for (const child of started) await child.stop();
  return differing === 0 ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(`conformance: ${error.message}`);
  process.exit(2);
}
