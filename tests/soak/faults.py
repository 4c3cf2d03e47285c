"""What a soak run does to the pair. A row a fault: what it does, and which symptoms it excuses.

Faults without an excuse must not be noticed by anybody but a reader of the log.
"""
import os
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from typing import Callable

from rig import Orphan, wait_until
from wire import Broken, Refused, Stream

AWAY_S = 1.5  # how long a stopped program stays stopped


def sessiond_kill(rig, _):
    rig.sessiond.kill()
    time.sleep(0.3)
    rig.sessiond.start()
    wait_until("sessiond linked again", rig.linked)


def sessiond_stop(rig, _):
    rig.sessiond.send(signal.SIGSTOP)
    time.sleep(AWAY_S * 2)
    rig.sessiond.send(signal.SIGCONT)
    wait_until("sessiond linked again", rig.linked)


def sessiond_leave(rig, _):
    status = rig.sessiond.stop(signal.SIGQUIT)
    if status != 0:
        raise RuntimeError(f"sessiond left with {status}")
    rig.sessiond.start()
    wait_until("sessiond linked again", rig.linked)


def proxy_reload(rig, _):
    answer = rig.admin("reload")
    if "error" in answer:
        raise RuntimeError(f"reload: {answer}")


def proxy_bad_reload(rig, _):
    rig.write_proxy_conf(rig.proxy_conf.replace("proxy_pass", "proxy_past"))
    answer = rig.admin("reload")
    rig.write_proxy_conf(rig.proxy_conf)
    if "proxy_past" not in answer:
        raise RuntimeError(f"a bad file was not refused: {answer}")


def reopen(rig, _):
    os.rename(os.path.join(rig.folder, "access.log"), os.path.join(rig.folder, "access.log.1"))
    rig.proxy.send(signal.SIGUSR1)
    wait_until("access log reopened", lambda: os.path.exists(os.path.join(rig.folder, "access.log")))


def nonsense_on_sockets(rig, random):
    for name in ("admin.sock", "sessiond.sock"):
        for data in (b"\x00\xff" * 40, b'{"t":"hello"', b"x" * 300_000, b'{"t":"drop","session":"' + b"A" * 70_000 + b'"}\n'):
            with socket.socket(socket.AF_UNIX) as s:
                s.settimeout(2)
                try:
                    s.connect(os.path.join(rig.folder, name))
                    s.sendall(data)
                    if random.random() < 0.5:
                        s.recv(100)
                except OSError:
                    pass  # refusing is its right


def nonsense_on_http(rig, random):
    pieces = (b"GET / HTTP/9.9\r\n\r\n", b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
              b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"GET /mcp HTTP/1.1\r\nHost: evil.example\r\n\r\n",
              b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{", b"GET " + b"a" * 40_000)
    for _ in range(100):
        with socket.socket() as s:
            s.settimeout(5)
            try:
                s.connect(("127.0.0.1", rig.port))
                s.sendall(random.choice(pieces))
                if random.random() < 0.7:
                    s.recv(1000)
            except OSError:
                pass


def blocked_readers(rig, _):
    """Streams whose client stops reading, beside those that go on."""
    held = []
    for _ in range(5):
        try:
            held.append(Stream(rig.port, "GET", "/sse"))
        except (Broken, Refused):
            pass
    time.sleep(AWAY_S)
    for stream in held:
        stream.close()
        stream.release()


def serving_kill(rig, _):
    pid = rig.serving_pid()
    os.kill(pid, signal.SIGKILL)
    wait_until("a new serving process", lambda: rig.serving_pid() not in (0, pid) and rig.linked())


def proxy_restart(rig, _):
    status = rig.proxy.stop(signal.SIGQUIT)
    if status != 0:
        raise RuntimeError(f"the proxy left with {status}")
    rig.proxy.start()
    wait_until("the new proxy linked", rig.linked)


def proxy_upgrade(rig, _):
    """Another master takes over; the one before ends by itself, and well."""
    old = rig.proxy.process
    done = subprocess.run([*rig.proxy.command, "-s", "upgrade"], cwd=rig.folder, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"upgrade: {done.stderr}")
    with open(os.path.join(rig.folder, "proxy.pid")) as f:
        heir = int(f.read())
    status = old.wait(15)
    if status != 0 or heir == old.pid:
        raise RuntimeError(f"the old proxy left with {status}, process {heir} serves")
    rig.proxy.process = Orphan(heir)
    wait_until("the new proxy linked", rig.linked)


def backend_kill(rig, _):
    rig.demo.kill()
    time.sleep(0.3)
    rig.demo.start()
    wait_until("the backend again", lambda: '{"port":' in rig.demo.log())


def backend_stop(rig, _):
    rig.demo.send(signal.SIGSTOP)
    time.sleep(AWAY_S)
    rig.demo.send(signal.SIGCONT)


@dataclass(frozen=True)
class Fault:
    run: Callable
    excuses: tuple = ()
    after_s: float = 0.0  # the symptoms may show until so long after it is over
    kills_proxy: bool = False


FAULTS = {
    "sessiond_kill": Fault(sessiond_kill, ("late",), 3),
    "sessiond_stop": Fault(sessiond_stop, ("late",), 3),
    "sessiond_leave": Fault(sessiond_leave, ("late",), 3),
    "proxy_reload": Fault(proxy_reload),
    "proxy_bad_reload": Fault(proxy_bad_reload),
    "reopen": Fault(reopen),
    "nonsense_on_sockets": Fault(nonsense_on_sockets),
    "nonsense_on_http": Fault(nonsense_on_http),
    "blocked_readers": Fault(blocked_readers),
    "backend_stop": Fault(backend_stop),
    "serving_kill": Fault(serving_kill, ("connection", "late"), 3, kills_proxy=True),
    "proxy_restart": Fault(proxy_restart, ("connection", "late"), 3, kills_proxy=True),
    "proxy_upgrade": Fault(proxy_upgrade, ("connection", "late"), 3, kills_proxy=True),
    "backend_kill": Fault(backend_kill, ("connection", "session", "late"), 30),
}
