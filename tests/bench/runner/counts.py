"""What an operation costs apart from time: system calls (strace) and user instructions (callgrind).

Both tools slow the target a lot: only the counts mean anything. The target runs under the tool from its start to its
end, both programs of the pair where its case counts both; the mock knows how many operations there were.
"""
import collections
import copy
import glob
import os
import re

from cases import CASES, COUNTED
from targets import Rig

SHOWN_MIN = 0.02  # calls per operation that are worth a word


def traced(options, target, name, wrapper, seconds):
    """Runs a case under a tool; the number of operations. 0 seconds: only starts and stops the target."""
    options = copy.copy(options)
    options.wrapper = wrapper
    with Rig(options, target, CASES[name]) as rig:
        if seconds:
            rig.load(seconds, 0.2)
    return max(1, rig.mock_counters().get(COUNTED[name], 0))


def system_calls(options, target, name):
    """'4.1: recvfrom 2.00, …' per operation."""
    for old in glob.glob(os.path.join(options.work, "strace.*")):
        os.remove(old)
    # --output of each program of a pair is its own: %d is its number.
    wrapper = ("strace", "-c", "-f", "-o", os.path.join(options.work, "strace.%d"))
    operations = traced(options, target, name, wrapper, 2.0)
    calls = collections.Counter()
    for path in glob.glob(os.path.join(options.work, "strace.*")):
        calls.update(read_strace(path))
    parts = [f"{call} {count / operations:.2f}" for call, count in sorted(calls.items(), key=lambda kv: -kv[1])
             if count / operations >= SHOWN_MIN]
    return f"{sum(calls.values()) / operations:.1f}: " + ", ".join(parts)


def read_strace(path):
    calls = {}
    with open(path) as f:
        for line in f:
            fields = line.split()
            if len(fields) >= 5 and fields[0][0].isdigit() and fields[-1] != "total":
                calls[fields[-1]] = int(fields[3])
    return calls


def instructions(options, target, name):
    """User instructions per operation, start and end of the target left out."""
    def total(seconds):
        out = os.path.join(options.work, "callgrind.%p")
        for old in glob.glob(os.path.join(options.work, "callgrind.*")):
            os.remove(old)
        wrapper = ("valgrind", "--tool=callgrind", "--trace-children=yes", f"--callgrind-out-file={out}")
        operations = traced(options, target, name, wrapper, seconds)
        files = glob.glob(os.path.join(options.work, "callgrind.*"))
        return sum(map(read_callgrind, files)), operations

    idle, _ = total(0)
    busy, operations = total(3.0)
    return f"{(busy - idle) / operations:,.0f}"


def read_callgrind(path):
    with open(path) as f:
        found = re.search(r"^(?:summary|totals): (\d+)", f.read(), re.MULTILINE)
    return int(found.group(1)) if found else 0
