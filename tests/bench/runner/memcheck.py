#!/usr/bin/env python3
"""Both daemons under valgrind's memcheck with the loads of the bench; scripts/valgrind.sh runs it.

Exit 0: no invalid access, no use of undefined memory, nothing definitely lost, and every answer was right.
"""
import argparse
import glob
import json
import os
import re
import sys
import tempfile

from cases import CASES
from targets import Rig, load_targets, make_certificate

WANTED = ("call16", "callsse", "events", "legacy", "churn", "big1m", "tlscall", "tlsback", "idle", "slow")
# Programs under memcheck are some thirty times slower: the loads are cut to what that leaves.
LESS = (("--streams 5000", "--streams 200"), ("--streams 1000", "--streams 50"), ("--rate 100", "--rate 5"),
        ("--conns 16", "--conns 4"))


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"default: {' '.join(WANTED)}")
    parser.add_argument("--bin", required=True)
    parser.add_argument("--seconds", type=float, default=10)
    options = parser.parse_args()
    options.proxy_cpus, options.load_cpus = "0", "1"
    options.targets = load_targets()
    for unknown in [c for c in options.cases if c not in CASES]:
        parser.error(f"unknown case: {unknown}")
    return options


PROCESSES = 3  # the proxy's master and serving process, sessiond


def findings(folder):
    """How many processes reported, and the reports that are not clean."""
    found, count = [], 0
    for path in glob.glob(os.path.join(folder, "memcheck.*")):
        with open(path) as f:
            text = f.read()
        summary = re.search(r"ERROR SUMMARY: (\d+) errors", text)
        if summary is None or int(summary.group(1)) > 0:
            found.append(text)
        count += 1
        os.remove(path)
    return count, found


def checked(options, name):
    """What is wrong with one case, as text; empty: nothing."""
    case = CASES[name]
    for much, less in LESS:
        case = type(case)(**{**vars(case), "load": case.load.replace(much, less), "mock": case.mock.replace(much, less)})
    log = os.path.join(options.work, "memcheck.%p")
    options.wrapper = ("valgrind", "--leak-check=full", "--errors-for-leak-kinds=definite", "--show-leak-kinds=definite",
                       "--num-callers=25", "--trace-children=yes", f"--log-file={log}")
    case = type(case)(**{**vars(case), "pair": True})  # both programs
    with Rig(options, "holdfast", case) as rig:
        result = rig.load(options.seconds, 0.5)
    count, wrong = findings(options.work)
    shown = {key: result[key] for key in ("failed", "requests", "events", "errors", "error_kinds") if key in result}
    print(f"{name}: {len(wrong)} of {count} processes with findings, {json.dumps(shown)}", flush=True)
    if count < PROCESSES:
        wrong.append(f"{name}: {count} processes reported, not {PROCESSES}")
    if result.get("failed") or result.get("error_kinds", "none") != "none":
        wrong.append(f"{name}: {result}")
    return "\n".join(wrong)


def main():
    options = parse_options()
    with tempfile.TemporaryDirectory(prefix="holdfast-memcheck-") as work:
        os.chmod(work, 0o1777)
        options.work = work
        make_certificate(work)
        wrong = [text for name in options.cases or WANTED if (text := checked(options, name))]
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
