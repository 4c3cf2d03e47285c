"""Starts a backend and a target on free ports, pinned to their cores, and stops both."""
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PEERS = os.path.join(HERE, "..", "peers")
START_LIMIT_S = 30.0


def load_targets():
    with open(os.path.join(PEERS, "targets.json")) as f:
        return json.load(f)


def fill(text, values, mark="{%s}"):
    for key, value in values.items():
        text = text.replace(mark % key, str(value))
    return text


def free_port():
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_until(what, condition):
    end = time.monotonic() + START_LIMIT_S
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError(f"{what}: not ready after {START_LIMIT_S:.0f} s")
        time.sleep(0.02)


def make_certificate(folder):
    """One self-signed certificate for localhost, for every target and the backend; HAProxy wants it with its key."""
    key, certificate = os.path.join(folder, "key.pem"), os.path.join(folder, "cert.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
                    "-keyout", key, "-out", certificate], check=True, capture_output=True)
    with open(os.path.join(folder, "both.pem"), "w") as both:
        for path in (certificate, key):
            with open(path) as f:
                both.write(f.read())


def answers(port):
    try:
        socket.create_connection(("127.0.0.1", port), 0.2).close()
        return True
    except OSError:
        return False


class Program:
    """One process group, ended with the object's stop()."""

    def __init__(self, command, cpus, log_path, wrapper=()):
        self.log_path = log_path
        with open(log_path, "w") as log:
            self.process = subprocess.Popen(["taskset", "-c", cpus, *wrapper, *shlex.split(command)], stdout=log,
                                            stderr=log, start_new_session=True)

    @property
    def pid(self):
        return self.process.pid

    def output(self):
        with open(self.log_path) as log:
            return log.read()

    def stop(self, how=signal.SIGTERM):
        if self.process.poll() is not None:
            return
        os.killpg(self.pid, how)
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(self.pid, signal.SIGKILL)
            self.process.wait()


class Rig:
    """A backend with a target in front of it: `with Rig(...) as rig` runs both."""

    def __init__(self, options, name, case):
        self.options, self.name, self.case = options, name, case
        self.spec = options.targets[name]
        shared = case.workers > 1
        self.proxy_cpus = "0,1" if shared else options.proxy_cpus
        self.load_cpus = "0,1" if shared else options.load_cpus
        self.run = os.path.join(options.work, name)
        self.programs, self.mock = [], None

    def __enter__(self):
        shutil.rmtree(self.run, ignore_errors=True)
        os.makedirs(self.run)
        try:
            self.start_mock()
            self.start_target()
        except Exception:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for program in self.programs:
            program.stop()
        if self.mock:
            self.mock.stop()

    def mock_counters(self):
        """What the mock counted; known once it has been stopped."""
        try:
            return json.loads(self.mock.output().splitlines()[-1])
        except (ValueError, IndexError):
            return {}

    def start_mock(self):
        tls = f"--tls {self.options.work}/cert.pem --tls-key {self.options.work}/key.pem"
        command = f"{self.options.bin}/mcp-mock --port 0 {self.case.mock}"
        self.mock = Program(f"{command} {tls}" if self.case.tls == "backend" else command, self.load_cpus,
                            os.path.join(self.run, "mock.log"))
        wait_until("mcp-mock", lambda: self.mock.output().startswith('{"port":'))
        self.backend = json.loads(self.mock.output().splitlines()[0])["port"]

    def start_target(self):
        self.port = free_port()
        values = {"port": self.port, "backend": self.backend, "workers": self.case.workers, "run": self.run,
                  "bin": self.options.bin, "pems": self.options.work}
        # What the target's configuration says for TLS on either side, and what it says without.
        for side in ("client", "backend"):
            texts = self.spec.get("tls", {}).get(side, {})
            values |= {word: fill(with_tls if self.case.tls == side else without, values)
                       for word, (with_tls, without) in texts.items()}
        for conf in self.spec.get("conf", []):
            with open(os.path.join(PEERS, conf)) as source, open(os.path.join(self.run, conf), "w") as copy:
                copy.write(fill(source.read(), {k.upper(): v for k, v in values.items()}, "@%s@"))
        for i, command in enumerate(self.spec["programs"]):
            counted = i == 0 or self.case.pair
            wrapper = [word.replace("%d", str(i)) for word in self.options.wrapper] if counted else ()
            self.programs.append(Program(fill(command, values), self.proxy_cpus, os.path.join(self.run, f"{i}.log"),
                                         wrapper))
        wait_until(self.name, lambda: answers(self.port))
        ready = self.spec.get("ready", "")
        wait_until(f"{self.name}: {ready}", lambda: any(ready in p.output() for p in self.programs))

    def counted_pids(self):
        """The processes whose CPU and memory the case is about; descendants are included."""
        count = len(self.programs) if self.case.pair else 1
        return ",".join(str(p.pid) for p in self.programs[:count])

    def load_command(self, seconds, warmup):
        seconds = self.case.seconds or seconds
        return ["taskset", "-c", self.load_cpus, f"{self.options.bin}/mcp-load", *self.case.load.split(), "--json",
                *(["--tls", f"{self.options.work}/cert.pem"] if self.case.tls == "client" else []),
                "--target", f"127.0.0.1:{self.port}", "--pid", self.counted_pids(), "--mock-pid", str(self.mock.pid),
                "--seconds", str(seconds), "--warmup", str(warmup)]

    def load(self, seconds, warmup):
        """mcp-load's results, or {'failed': why}."""
        done = subprocess.run(self.load_command(seconds, warmup), capture_output=True, text=True, timeout=240)
        died = [p.process.args for p in self.programs if p.process.poll() is not None]
        try:
            result = json.loads(done.stdout)
        except ValueError:
            return {"failed": f"mcp-load: exit {done.returncode} {done.stderr.strip()[:200]}"}
        if died:
            result["error_kinds"] += f" died: {died}"
        return result
