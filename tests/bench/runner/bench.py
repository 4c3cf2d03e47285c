#!/usr/bin/env python3
"""Side-by-side benchmark of Holdfast, nginx and HAProxy. Python standard library only; scripts/bench.sh runs it.

Each measured run starts a fresh mcp-mock and a fresh target, loads it with mcp-load, and stops both. Rounds are
interleaved (A B C, then B C A, ...), so a busy minute hits every target alike. The target is pinned to one core, mock
and load generator to the other; cases with two workers share both.

"CPU s/100k" is the target's user and system seconds per 100,000 operations: the figure that suffers least from a noisy
machine. Figures are medians over the rounds with [min-max], ratios medians of the rounds' ratios.
"""
import argparse
import datetime
import json
import os
import platform
import shlex
import subprocess
import sys
import tempfile

import counts
import report
import sessiond_scale
from cases import CASES, COUNTED
from targets import Rig, load_targets, make_certificate


APART = ("sessiond", "counts")  # no side-by-side cases: tables of their own


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"default: all of {' '.join(CASES)} {' '.join(APART)}")
    parser.add_argument("--bin", required=True, help="where the programs and tools are")
    parser.add_argument("--targets", default="splice,nginx,haproxy,holdfast")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.5)
    parser.add_argument("--warmup", type=float, default=0.5)
    parser.add_argument("--proxy-cpus", default="0")
    parser.add_argument("--load-cpus", default="1")
    parser.add_argument("--save", default="", help="append every run as a JSON line to this file")
    parser.add_argument("--results", default="", help="also write the tables to this file")
    options = parser.parse_args()
    options.names = [name for name in options.targets.split(",") if name]
    options.targets = load_targets()
    options.wrapper = ()
    for unknown in [c for c in options.cases if c not in (*CASES, *APART)]:
        parser.error(f"unknown case: {unknown}")
    for unknown in [n for n in options.names if n not in options.targets]:
        parser.error(f"unknown target: {unknown}")
    return options


def measure(options, name):
    """{target: [result of each round]} of one case."""
    case = CASES[name]
    names = [target for target in options.names if case.measures(target)]
    results = {target: [] for target in names}
    for number in range(1 if case.single else options.rounds):
        shift = number % len(names)
        for target in names[shift:] + names[:shift]:
            try:
                with Rig(options, target, case) as rig:
                    result = rig.load(options.seconds, options.warmup)
            except RuntimeError as error:
                result = {"failed": str(error)}
            results[target].append(result)
            print(f"  {name} round {number + 1} {target}: {json.dumps(result)}", file=sys.stderr)
            if options.save:
                with open(options.save, "a") as f:
                    f.write(json.dumps({"case": name, "round": number, "target": target, **result}) + "\n")
    return results


def count_all(options):
    """The tables of system calls and instructions per operation."""
    calls = {case: {t: counts.system_calls(options, t, case) for t in options.names} for case in COUNTED}
    few = [t for t in options.names if t != "splice"]
    instructions = {case: {t: counts.instructions(options, t, case) for t in few} for case in ("call16", "churn")}
    return "\n".join([report.counts_table("System calls per operation", calls, options.names),
                      report.counts_table("User instructions per operation", instructions, few)])


def versions(options):
    lines = []
    for name in options.names:
        command = options.targets[name].get("version", "").replace("{bin}", options.bin)
        if command:
            done = subprocess.run(shlex.split(command), capture_output=True, text=True)
            lines.append((done.stdout or done.stderr).splitlines()[0].split(" - ")[0].strip())
    return ", ".join(lines)


def machine():
    model = "unknown processor"
    with open("/proc/cpuinfo") as f:
        for line in f:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
    return f"{os.cpu_count()} x {model}, {platform.system()} {platform.release()}"


def main():
    options = parse_options()
    names = options.cases or [*CASES, *APART]
    header = [f"{datetime.date.today()}, {machine()}", versions(options),
              f"medians of {options.rounds} interleaved rounds of {options.seconds:g} s"]
    with tempfile.TemporaryDirectory(prefix="holdfast-bench-") as work:
        os.chmod(work, 0o1777)  # the peers' workers give up root
        options.work = work
        make_certificate(work)
        results = {name: measure(options, name) for name in names if name in CASES}
        scale = sessiond_scale.table(sessiond_scale.measure(options)) if "sessiond" in names else ""
        counted = count_all(options) if "counts" in names else ""
    tables = [report.case_table(name, CASES[name], runs) for name, runs in results.items()]
    text = "\n".join(["# Results of scripts/bench.sh\n", "  \n".join(header), "", report.goals_table(CASES, results),
                      *tables, scale, counted, ""])
    print(text)
    if options.results:
        with open(options.results, "w") as f:
            f.write(text)
    failed = [r for runs in results.values() for rounds in runs.values() for r in rounds if "failed" in r]
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
