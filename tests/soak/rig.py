"""Starts the pair, the demo backend and the bench's mock; samples what they hold on to."""
import ctypes
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time

START_LIMIT_S = 15.0
SESSION_TIMEOUT_S = 12
CLEANUP_S = 1

PROXY_CONF = """\
worker_processes 2;
worker_connections 20000;
sessiond unix:sessiond.sock;
pid proxy.pid;
worker_shutdown_timeout 3s;
upstream demo { server 127.0.0.1:@DEMO@ max_fails=0; keepalive 64; }
upstream mock { server 127.0.0.1:@MOCK@ max_fails=0; keepalive 64; }
server {
    listen 127.0.0.1:@PORT@;
    sse_heartbeat 2s;
    access_log access.log json;
    location = /health { holdfast_health; }
    location / { proxy_pass http://demo; }
}
server {
    listen 127.0.0.1:@LOAD@ backlog=4096;
    location / { proxy_pass http://mock; }
}
"""
SESSIOND_CONF = f"""\
control_socket sessiond.sock;
admin_socket admin.sock;
http_socket http.sock;
pid sessiond.pid;
persistent_mode off;
session_timeout {SESSION_TIMEOUT_S}s;
session_cleanup_interval {CLEANUP_S}s;
"""


def wait_until(what, condition, limit_s=START_LIMIT_S):
    end = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError(f"{what}: not after {limit_s:.0f} s")
        time.sleep(0.02)


def free_ports(count):
    """Ports below the ephemeral range, so that no outgoing connection takes one while its program is away."""
    ports, port = [], 20000 + os.getpid() % 8000
    while len(ports) < count:
        port += 1
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
        ports.append(port)
    return ports


def reap_orphans():
    """Processes whose parent ends become ours: the only way to learn how one ended that was not started here."""
    PR_SET_CHILD_SUBREAPER = 36
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


class Orphan:
    """A process left to us, as subprocess.Popen shows one."""

    def __init__(self, pid):
        self.pid, self.returncode = pid, None

    def poll(self):
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, limit_s=None):
        end = time.monotonic() + (limit_s or float("inf"))
        while self.poll() is None:
            if time.monotonic() > end:
                raise subprocess.TimeoutExpired(f"process {self.pid}", limit_s)
            time.sleep(0.02)
        return self.returncode

    def send_signal(self, number):
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self):
        self.send_signal(signal.SIGKILL)


class Program:
    def __init__(self, name, command, folder):
        self.name, self.command, self._folder = name, command, folder
        self.log_path = os.path.join(folder, name + ".log")
        self.process = None

    def start(self):
        environment = {k: v for k, v in os.environ.items()
                       if k not in ("SESSION_TIMEOUT", "SESSION_CLEANUP_INTERVAL", "MAX_SESSIONS", "PERSISTENT_MODE")}
        with open(self.log_path, "a") as log:
            self.process = subprocess.Popen(self.command, cwd=self._folder, stdout=log, stderr=log, env=environment)

    def log(self):
        with open(self.log_path, errors="replace") as f:
            return f.read()

    def send(self, number):
        self.process.send_signal(number)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self, number=signal.SIGTERM, limit_s=15):
        """The exit status; None where it had to be killed."""
        if self.process is None or self.process.poll() is not None:
            return self.process.returncode if self.process else 0
        self.process.send_signal(number)
        try:
            return self.process.wait(limit_s)
        except subprocess.TimeoutExpired:
            self.kill()
            return None


class Rig:
    def __init__(self, bin_folder, folder):
        bin_folder, folder = os.path.abspath(bin_folder), os.path.abspath(folder)
        self.bin, self.folder = bin_folder, folder
        self.port, self.load_port, demo, mock = free_ports(4)
        self.demo_port = demo
        values = {"PORT": self.port, "LOAD": self.load_port, "DEMO": demo, "MOCK": mock}
        self.proxy_conf = PROXY_CONF
        for key, value in values.items():
            self.proxy_conf = self.proxy_conf.replace(f"@{key}@", str(value))
        self.write_proxy_conf(self.proxy_conf)
        self.write("sessiond.conf", SESSIOND_CONF)
        self.demo = Program("demo", [f"{bin_folder}/holdfast-demo-backend", "--port", str(demo)], folder)
        self.mock = Program("mock", [f"{bin_folder}/mcp-mock", "--port", str(mock)], folder)
        self.sessiond = Program("sessiond", [f"{bin_folder}/holdfast-sessiond", "-c", f"{folder}/sessiond.conf"], folder)
        self.proxy = Program("proxy", [f"{bin_folder}/holdfast-proxy", "-c", f"{folder}/proxy.conf"], folder)

    def write(self, name, text):
        with open(os.path.join(self.folder, name), "w") as f:
            f.write(text)

    def write_proxy_conf(self, text):
        self.write("proxy.conf", text)

    def programs(self):
        return [self.proxy, self.sessiond, self.demo, self.mock]

    def start(self):
        for program in reversed(self.programs()):
            program.start()
        wait_until("the pair", self.linked)

    def stop(self):
        return {program.name: program.stop() for program in self.programs()}

    def health(self):
        import http.client
        conn = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            conn.request("GET", "/health")
            return json.loads(conn.getresponse().read())
        except (OSError, ValueError, http.client.HTTPException):
            return {}
        finally:
            conn.close()

    def linked(self):
        return self.health().get("status") == "ok"

    def admin(self, line):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(10)
            s.connect(os.path.join(self.folder, "admin.sock"))
            s.sendall(line.encode() + b"\n")
            text = b""
            while piece := s.recv(65536):
                text += piece
            return text.decode()

    def serving_pid(self):
        """The master's one child."""
        with open(f"/proc/{self.proxy.process.pid}/task/{self.proxy.process.pid}/children") as f:
            pids = f.read().split()
        return int(pids[0]) if pids else 0


def sample(pid):
    """(resident KiB, open descriptors) of a process; None when it is gone."""
    try:
        with open(f"/proc/{pid}/status") as f:
            rss = int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1))
        return rss, len(os.listdir(f"/proc/{pid}/fd"))
    except (OSError, AttributeError):
        return None


class Sampler(threading.Thread):
    """Resident memory and descriptors of the pair's processes, every few seconds, per process and life."""

    def __init__(self, rig, period_s):
        super().__init__(daemon=True)
        self._rig, self._period_s, self._over = rig, period_s, threading.Event()
        self.series = {}  # (name, pid) → [(seconds, KiB, descriptors)]

    def run(self):
        started = time.monotonic()
        while not self._over.wait(self._period_s):
            for name, pid in (("proxy", self._rig.serving_pid()), ("sessiond", self._rig.sessiond.process.pid)):
                got = sample(pid)
                if got:
                    self.series.setdefault((name, pid), []).append((time.monotonic() - started, *got))

    def finish(self):
        self._over.set()
        self.join()
