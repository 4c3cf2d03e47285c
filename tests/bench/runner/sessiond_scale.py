"""What a million sessions cost sessiond: the real program, with this script as the proxy that has them all.

CPU is the daemon's own (nanoseconds of /proc/PID/schedstat), so that the speed of this script does not matter. Sessions
are as a fleet has them: ten of a user and address, a UUID from the backend, few kinds of clients.
"""
import json
import os
import signal
import socket
import time

from targets import Program, wait_until

SESSIONS = 1_000_000
FEW = 1_000  # of a policy of their own, which expires first
BATCH = 500  # lines written before answers are read
PASSES = 5
STEP_LIMIT_S = 300.0

CONF = """control_socket {run}/link.sock;
admin_socket {run}/admin.sock;
http_socket off;
pid {run}/sessiond.pid;
persistent_mode off;
max_sessions 3000000;
session_timeout {all};
session_cleanup_interval 1s;
policy few {{ session_timeout {few}; }}
"""


def identity(number):
    return f"{number:032d}"


def opening(number):
    who = number // 10
    return {"session": identity(number), "user": f"user-{who}@example.com", "policy": "few" if number < FEW else "",
            "transport": "streamable", "peer": f"10.{who >> 16}.{(who >> 8) & 255}.{who & 255}",
            "client_name": f"some-ide-{number % 5}", "client_version": f"1.2.{number % 20}"}


def home(number):
    return {"session": identity(number), "backend": f"everything/10.0.0.{number % 8}:3001",
            "backend_session": f"2574303c-9d6e-4b8e-9d0c-{100_000_000_000 + number}", "target": "/mcp"}


def snapshot(number):
    return {"t": "snapshot", **opening(number), **home(number), "age_ms": 5, "idle_ms": 5, "in_flight": 0,
            "requests": 1, "streams": 0, "persistent": False}


class Daemon:
    """A sessiond with its link, which is this script's end."""

    def __init__(self, options):
        self.run = os.path.join(options.work, "sessiond-scale")
        os.makedirs(self.run, exist_ok=True)
        self.conf = os.path.join(self.run, "sessiond.conf")
        self.configure(all="1d", few="1d")
        self.program = Program(f"{options.bin}/holdfast-sessiond -p {self.run} -c {self.conf}", options.proxy_cpus,
                               os.path.join(self.run, "log"))
        path = os.path.join(self.run, "link.sock")
        wait_until("sessiond", lambda: os.path.exists(path))
        self.link = socket.socket(socket.AF_UNIX)
        self.link.connect(path)
        self.link.settimeout(STEP_LIMIT_S)
        self.rest = b""
        self.unheard = []  # came while something else was waited for

    def configure(self, **timeouts):
        with open(self.conf, "w") as f:
            f.write(CONF.format(run=self.run, **timeouts))

    def reload(self, **timeouts):
        self.configure(**timeouts)
        os.kill(self.program.pid, signal.SIGHUP)

    def stop(self):
        self.link.close()
        self.program.stop()

    def cpu_s(self):
        total = 0
        for task in os.listdir(f"/proc/{self.program.pid}/task"):
            with open(f"/proc/{self.program.pid}/task/{task}/schedstat") as f:
                total += int(f.read().split()[0])
        return total / 1e9

    def resident_bytes(self):
        with open(f"/proc/{self.program.pid}/status") as f:
            return next(int(line.split()[1]) * 1024 for line in f if line.startswith("VmRSS"))

    def say(self, *messages):
        self.link.sendall("".join(json.dumps(m, separators=(",", ":")) + "\n" for m in messages).encode())

    def heard(self):
        """What has come, at least one message; pings are answered on the way."""
        if self.unheard:
            messages, self.unheard = self.unheard, []
            return messages
        data = self.link.recv(1 << 18)
        if not data:
            raise RuntimeError("sessiond closed the link: " + self.program.output()[-300:])
        *lines, self.rest = (self.rest + data).split(b"\n")
        messages = [json.loads(line) for line in lines]
        for message in messages:
            if message["t"] == "ping":
                self.say({"t": "pong", "n": message["n"]})
            elif message["t"] in ("bye", "refused"):
                raise RuntimeError(f"sessiond says {message}")
        return messages

    def hear(self, kind, count):
        """Waits for `count` messages of a kind; others are kept."""
        others = []
        while count > 0:
            messages = self.heard()
            others += [m for m in messages if m["t"] != kind]
            count -= len(messages) - sum(m["t"] != kind for m in messages)
        self.unheard = others

    def begin(self):
        self.say({"t": "hello", "v": 1, "node": "bench", "instance": "00112233445566ff", "pid": os.getpid(),
                  "version": "0", "policies": ["few"]})
        self.hear("restored_end", 1)

    def settle(self):
        """Until all that was said has been worked off: it answers a question asked after it."""
        self.say({"t": "are_you_there"})  # answered in its turn
        self.hear("unsupported", 1)


def tell_all(daemon):
    """As after a restart of sessiond: the proxy's snapshot."""
    daemon.say({"t": "snapshot_begin"})
    for start in range(0, SESSIONS, BATCH):
        daemon.say(*map(snapshot, range(start, start + BATCH)))
    daemon.say({"t": "snapshot_end"})
    daemon.settle()


def open_more(daemon, count):
    """As while caps are in force: a question before each session."""
    for start in range(SESSIONS, SESSIONS + count, BATCH):
        numbers = range(start, start + BATCH)
        daemon.say(*({"t": "admit", **opening(n)} for n in numbers))
        daemon.hear("admitted", BATCH)
        daemon.say(*({"t": "bound", **home(n)} for n in numbers))
    daemon.settle()


def close_more(daemon, count):
    """As when clients send DELETE."""
    for start in range(SESSIONS, SESSIONS + count, BATCH):
        daemon.say(*({"t": "ended", "session": identity(n), "reason": "client_delete", "idle_ms": 5}
                     for n in range(start, start + BATCH)))
        daemon.hear("acknowledged", BATCH)


def expire(daemon, count):
    """Answers the questions about `count` sessions that are due."""
    asked = ended = 0
    while ended < count:
        messages = daemon.heard()
        due = [m["session"] for m in messages if m["t"] == "drop_if_idle"]
        asked += len(due)
        ended += sum(m["t"] == "acknowledged" for m in messages)
        if due:
            daemon.say(*({"t": "ended", "session": s, "reason": "idle_timeout", "idle_ms": 10_000} for s in due))
    if asked != count:
        raise RuntimeError(f"{asked} sessions were asked about, not {count}")


def measure(options):
    """[(what, figure, goal)] as text."""
    daemon = Daemon(options)
    try:
        rows = []
        daemon.begin()
        empty = daemon.resident_bytes()

        def timed(what, count, step):
            before = daemon.cpu_s()
            step()
            spent = daemon.cpu_s() - before
            rows.append((what, f"{count / spent:,.0f} a CPU second ({spent / count * 1e6:.1f} us each)", ""))

        timed(f"taking over {SESSIONS:,} sessions from a snapshot", SESSIONS, lambda: tell_all(daemon))
        rows.append(("resident memory", f"{(daemon.resident_bytes() - empty) / SESSIONS:,.0f} bytes a session", "<= 400 bytes"))

        before = daemon.cpu_s()
        time.sleep(PASSES)  # one pass a second
        quiet_ms = (daemon.cpu_s() - before) / PASSES * 1e3
        rows.append((f"a pass over {SESSIONS:,} sessions of which none is due", f"{quiet_ms:.2f} ms", "<= 50 ms"))

        more = 100_000
        timed(f"admitting and binding {more:,} more", more, lambda: open_more(daemon, more))
        timed(f"closing {more:,}", more, lambda: close_more(daemon, more))

        def reload(what, **timeouts):
            before = daemon.cpu_s()
            daemon.reload(**timeouts)
            daemon.hear("policies", 1)
            rows.append((f"a reload with another timeout for {what}", f"{(daemon.cpu_s() - before) * 1e3:.1f} ms", ""))

        rest = SESSIONS - FEW
        reload(f"{FEW:,} of them", all="1d", few="1s")
        timed(f"expiring {FEW:,} of {SESSIONS:,}", FEW, lambda: expire(daemon, FEW))
        reload("all", all="1s", few="1s")
        timed(f"expiring {rest:,}", rest, lambda: expire(daemon, rest))
        kept, started = daemon.resident_bytes() / 2**20, empty / 2**20
        rows.append(("resident memory afterwards", f"{kept:,.0f} MiB ({started:.0f} at start)", ""))
        return rows
    finally:
        daemon.stop()


def table(rows):
    lines = [f"\n### sessiond: {SESSIONS:,} sessions; its own CPU alone\n", "| what | cost | goal |", "|---|---|---|"]
    return "\n".join(lines + [f"| {what} | {figure} | {goal} |" for what, figure, goal in rows])
