// Deadlines and child processes for the tests of this folder. Nothing here waits for a fixed time:
// every wait names the event it is for and fails, with what the children said, at its deadline.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export const here = dirname(fileURLToPath(import.meta.url));
export const direct = process.argv.includes('--direct'); // a control: the same tests without Holdfast

// Long enough for a machine that is busy building something else; no test waits it out.
export const deadlineMs = 20_000;

// The promise's result, or an error naming `what` once `ms` have passed.
export async function within(what, promise, ms = deadlineMs) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

// A queue of things that happened, which a test may await: past ones count as well as future ones.
export class Events {
  #past = [];
  #waiters = new Set();

  push(event) {
    this.#past.push(event);
    for (const waiter of this.#waiters) waiter(event);
  }

  get past() {
    return this.#past;
  }

  // The first event, past (from index `since` on) or future, for which matches(event) is truthy.
  async wait(what, matches, { since = 0, ms = deadlineMs } = {}) {
    const seen = this.#past.slice(since).find(matches);
    if (seen !== undefined) return seen;
    let waiter;
    const future = new Promise((resolve) => {
      waiter = (event) => matches(event) && resolve(event);
      this.#waiters.add(waiter);
    });
    try {
      return await within(what, future, ms);
    } finally {
      this.#waiters.delete(waiter);
    }
  }
}

const started = [];
const running = new Set();

// One program under test or beside it. Its stdout and stderr are one sequence of lines.
export class Child {
  #process;
  #lines = new Events();

  constructor(name, command, args, env = {}) {
    this.name = name;
    this.#process = spawn(command, args, {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.exited = new Promise((resolve) => {
      this.#process.once('error', (error) => resolve(`cannot start: ${error.message}`));
      this.#process.once('close', (code, signal) => resolve(signal ?? code));
    });
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      createInterface({ input: stream }).on('line', (line) => this.#lines.push(line));
    }
    started.push(this);
    running.add(this);
  }

  get pid() {
    return this.#process.pid;
  }

  // Everything it has printed so far.
  get lines() {
    return this.#lines.past;
  }

  // The match of the first line that fits the pattern, from line number `since` on; fails at once
  // if the program ends before it.
  async line(pattern, since = 0) {
    const line = this.#lines.wait(`${this.name}: ${pattern}`, (text) => pattern.test(text), { since });
    const early = this.exited.then((how) => {
      throw new Error(`${this.name} ended with ${how}:\n${this.said()}`);
    });
    early.catch(() => {}); // ignoring: the race below is over when a program ends at its stop()
    return pattern.exec(await Promise.race([line, early]));
  }

  kill() {
    this.#process.kill('SIGKILL');
  }

  said() {
    return `--- ${this.name}\n${this.lines.slice(-60).join('\n')}`;
  }

  // Asks it to end and returns its exit code or signal; insists after the deadline, by its own pid.
  async stop(ms = 10_000) {
    running.delete(this);
    this.#process.kill('SIGTERM');
    try {
      return await within(`${this.name}: end after SIGTERM`, this.exited, ms);
    } catch (error) {
      this.#process.kill('SIGKILL');
      await this.exited;
      throw new Error(`${error.message}\n${this.said()}`);
    }
  }
}

const folders = [];

// A folder that lives as long as this process; short, because socket paths are bounded.
export function scratch() {
  const folder = mkdtempSync(join(tmpdir(), 'hf-'));
  folders.push(folder);
  return folder;
}

// Nothing this process started outlives it, and a failed test shows what the programs said.
process.on('exit', (code) => {
  for (const child of running) child.kill();
  if (code !== 0) for (const child of started) console.error(child.said());
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});
