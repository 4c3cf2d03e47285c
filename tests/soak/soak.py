#!/usr/bin/env python3
"""A mixed load with faults, for as long as one likes; says what leaked, what was lost and what was answered wrongly.

scripts/soak.sh runs it. The first half has every fault, the second none that replaces the serving process, so that its
memory and descriptors can be followed: they must not grow with the sessions that come and go.
"""
import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

import clients
from faults import FAULTS
from judge import Judge
from rig import SESSION_TIMEOUT_S, Rig, Sampler, reap_orphans, sample, wait_until

# What a process may hold more at the end of the second half than near its beginning.
FDS_MAX = 20
KIB_MAX = 3072  # glibc's arenas settle late; 1 MiB per 100,000 sessions comes on top
KIB_PER_SESSION = 1024 / 100_000
KIB_GRAVES = {"sessiond": 12 * 1024}  # of one that a fault has just replaced: 65,536 ends are remembered for an hour
SETTLE_S = SESSION_TIMEOUT_S + 10


def say(text):
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


class Broadcaster(threading.Thread):
    """The backend says a number on every stream it has, ten times a second: each reader must see them all."""

    def __init__(self, rig, judge, stop):
        super().__init__(daemon=True)
        self._rig, self._judge, self._over = rig, judge, stop

    def run(self):
        number = 0
        while not self._over.wait(0.1):
            number += 1
            order = {"message": {"jsonrpc": "2.0", "method": "notifications/message", "params": {"number": number}}}
            request = urllib.request.Request(f"http://127.0.0.1:{self._rig.demo_port}/_demo/emit",
                                             json.dumps(order).encode(), method="POST")
            try:
                urllib.request.urlopen(request, timeout=10).read()
                self._judge.count("broadcasts")
            except OSError:
                number += 1000  # the backend is away: readers that outlive it would rightly see a gap
                self._judge.count("broadcasts missed")


def volume(rig, judge, sessions):
    """Many whole sessions at once, each reply checked by the bench's load generator. Errors are none of any fault's."""
    command = [f"{rig.bin}/mcp-load", "churn", "--conns", "16", "--sources", "8", "--target",
               f"127.0.0.1:{rig.load_port}", "--sessions", str(sessions), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    try:
        result = json.loads(done.stdout)
    except ValueError:
        judge.fail(f"volume: exit {done.returncode} {done.stderr.strip()[:200]}")
        return
    if result["errors"]:
        judge.fail(f"volume: {result['errors']:.0f} errors: {result['error_kinds']}")
    judge.count("sessions", sessions)
    judge.count("volume sessions", sessions)


def inflict(name, rig, judge, chance):
    fault = FAULTS[name]
    judge.count(f"fault {name}")
    judge.open_window(fault.excuses)
    try:
        fault.run(rig, chance)
    except (OSError, RuntimeError) as error:
        judge.fail(f"fault {name}: {error}")
    judge.close_window(fault.excuses, fault.after_s)


def run_faults(rig, judge, options, chance, stop):
    """Faults one after another, each followed by a while in which everything has to be well again."""
    started = time.monotonic()
    half = started + options.minutes * 30
    end = started + options.minutes * 60
    told = started
    while time.monotonic() < end and not stop.is_set():
        names = [n for n, fault in FAULTS.items() if time.monotonic() < half or not fault.kills_proxy]
        name = chance.choice(names)
        inflict(name, rig, judge, chance)
        stop.wait(chance.uniform(1, 5))
        if chance.random() < 0.5:
            volume(rig, judge, options.volume)
        dead = [p.name for p in rig.programs() if p.process.poll() is not None]
        if dead:
            judge.fail(f"died: {dead}")
            return
        if time.monotonic() - told > 60:
            told = time.monotonic()
            counts = judge.counts()
            say(f"{(told - started) / 60:.0f} min: {counts.get('calls', 0)} calls, {counts.get('sessions', 0)} sessions, "
                f"{counts.get('events', 0)} events, {judge.failed} failures")


def run_each(rig, judge, options, chance, stop):
    """Every fault once, in a random order: what a test has time for. None hides in what another excuses."""
    names = sorted(FAULTS)
    chance.shuffle(names)
    for name in sorted(names, key=lambda name: FAULTS[name].after_s):
        say(name)
        inflict(name, rig, judge, chance)
        stop.wait(min(FAULTS[name].after_s, 3) + 1)
    volume(rig, judge, options.volume)
    stop.wait(options.minutes * 60)


def growth(series):
    """(KiB, descriptors, from, to) between the first tenth and the last tenth of the second half of a life."""
    second = [s for s in series if s[0] >= series[-1][0] / 2] or series
    part = max(1, len(second) // 10)
    middle = lambda samples, column: sorted(s[column] for s in samples)[len(samples) // 2]
    head, tail = second[:part], second[-part:]
    return (middle(tail, 1) - middle(head, 1), middle(tail, 2) - middle(head, 2), middle(head, 1), middle(tail, 1))


def check_leaks(rig, judge, sampler, sessions):
    pids = {"proxy": rig.serving_pid(), "sessiond": rig.sessiond.process.pid}
    for (name, pid), series in sampler.series.items():
        if pids.get(name) != pid or len(series) < 10:
            continue
        kib, fds, before, after = growth(series)
        say(f"{name}: {before} KiB at half time, {after} KiB at the end ({kib:+d} KiB, {fds:+d} descriptors)")
        if kib > KIB_MAX + sessions * KIB_PER_SESSION + KIB_GRAVES.get(name, 0):
            judge.fail(f"{name} grew by {kib} KiB")
        if fds > FDS_MAX:
            judge.fail(f"{name} grew by {fds} descriptors")


def check_emptiness(rig, judge, idle_fds):
    """When all clients have gone, their sessions end and their descriptors come back."""
    try:
        wait_until("no session left", lambda: rig.health().get("sessions", {}).get("total") == 0, SETTLE_S * 2)
    except RuntimeError as error:
        judge.fail(f"{error}: {json.dumps(rig.health())}")
    for name, pid in (("proxy", rig.serving_pid()), ("sessiond", rig.sessiond.process.pid)):
        got = sample(pid)
        say(f"{name}: {got[1]} descriptors when all have gone, {idle_fds[name]} before the first came")
        # The pools keep idle connections to the backends for a while.
        if got[1] > idle_fds[name] + FDS_MAX:
            judge.fail(f"{name}: {got[1]} descriptors when all have gone")


def check_logs(rig, judge):
    for program in rig.programs():
        text = program.log()
        for sign in ("ERROR: AddressSanitizer", "runtime error", "terminate called", "Assertion", "event=bug"):
            if sign in text:
                judge.fail(f"{program.name}.log: {sign}")


def soak(options, folder):
    chance = random.Random(options.seed)
    judge, stop, faults_over = Judge(), threading.Event(), threading.Event()
    reap_orphans()
    rig = Rig(options.bin, folder)
    rig.start()
    idle_fds = {"proxy": sample(rig.serving_pid())[1], "sessiond": sample(rig.sessiond.process.pid)[1]}
    sampler = Sampler(rig, 2.0)
    sampler.start()
    threads = [Broadcaster(rig, judge, stop)]
    for kind, number in clients.KINDS:
        for i in range(number):
            client = kind(judge, rig, stop, chance.random())
            client.name = f"{kind.__name__}-{i}"
            threads.append(client)
    for thread in threads:
        thread.start()
    try:
        (run_each if options.each else run_faults)(rig, judge, options, chance, faults_over)
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)
        sampler.finish()
    if not options.each:
        check_leaks(rig, judge, sampler, judge.counts().get("sessions", 0))
    check_emptiness(rig, judge, idle_fds)
    for name, status in rig.stop().items():
        if name in ("proxy", "sessiond") and status != 0:
            judge.fail(f"{name} ended with {status}")
    check_logs(rig, judge)
    return judge


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", required=True, help="where the programs and tools are")
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--each", action="store_true", help="every fault once, then quiet for --minutes")
    parser.add_argument("--volume", type=int, default=2000, help="whole sessions in each burst")
    parser.add_argument("--keep", default="", help="a folder for configurations and logs; default: a temporary one")
    options = parser.parse_args()
    say(f"soak for {options.minutes:g} minutes, seed {options.seed}")
    with tempfile.TemporaryDirectory(prefix="holdfast-soak-") as temporary:
        folder = options.keep or temporary
        os.makedirs(folder, exist_ok=True)
        judge = soak(options, folder)
    for what, number in sorted(judge.counts().items()):
        print(f"  {what}: {number}")
    for failure in judge.failures:
        print(f"  FAILED {failure}")
    print(f"{'FAILED' if judge.failed else 'ok'}: {judge.failed} failures, seed {options.seed}")
    return 1 if judge.failed else 0


if __name__ == "__main__":
    sys.exit(main())
