"""The kinds of clients of a soak run. Each is a thread that lives one session after another until told to stop."""
import json
import random
import threading
import time

from rig import CLEANUP_S, SESSION_TIMEOUT_S
from wire import (MODERN, STREAMABLE, Broken, Client, Refused, Stream, Wrong, call_message, check_echo,
                  initialize_message, request_message)

GATEWAY = (502, 503, 504)
# A session whose birth the proxy had not yet told sessiond dies with a killed proxy; it is told within this time.
TOLD_S = 1.0


class Reader(threading.Thread):
    """Reads a stream to its end: numbered broadcasts must come without gap, twice or backwards; answers are handed on."""

    def __init__(self, judge, stream, name):
        super().__init__(daemon=True)
        self._judge, self._name = judge, name
        self.stream, self.ended_s, self.ended_well = stream, None, False
        self._last = None
        self._answers, self._arrived = {}, threading.Condition()
        self.endpoint = ""
        self.graceful = False
        self.start()

    def run(self):
        for name, data in self.stream.events():
            if name == "endpoint":
                with self._arrived:
                    self.endpoint = data.decode()
                    self._arrived.notify_all()
                continue
            self._on_message(json.loads(data))
        with self._arrived:
            self.ended_s = time.monotonic()
            self.ended_well = self.stream.ended_well
            self._arrived.notify_all()
        self.stream.release()

    def _on_message(self, message):
        if "method" not in message:
            with self._arrived:
                self._answers[message.get("id")] = message
                self.graceful = self.graceful or str(message.get("id", "")).startswith("listen")
                self._arrived.notify_all()
            return
        number = (message.get("params") or {}).get("number")
        if number is None:
            return
        self._judge.count("events")
        if self._last is not None and number != self._last + 1:
            self._judge.fail(f"{self._name}: event {number} after {self._last}")
        self._last = number

    def wait(self, what, limit_s=20):
        """what() once it is true; None when the stream ended or the time is over."""
        end = time.monotonic() + limit_s
        with self._arrived:
            while not (got := what()):
                left = end - time.monotonic()
                if self.ended_s is not None or left <= 0:
                    return None
                self._arrived.wait(left)
            return got

    def answer(self, request_id):
        return self.wait(lambda: self._answers.pop(request_id, None))

    def close(self):
        self.stream.close()
        self.join()


class Kind(threading.Thread):
    """One client after another. Subclasses live() a life; what it raises is judged here."""

    pause_s = 0.05

    def __init__(self, judge, rig, stop, seed):
        super().__init__(daemon=True)
        self.judge, self.rig, self.stop, self.random = judge, rig, stop, random.Random(seed)
        self.client = Client(rig.port)
        self.born = time.monotonic()
        self.reader = None

    def run(self):
        while not self.stop.is_set():
            self.born = self.asked = time.monotonic()
            try:
                self.live()
            except Broken as error:
                self.judge.symptom("connection", min(self.asked, error.since), f"{self.name}: {error}")
            except Refused as error:
                # A call in flight whose server dies is told so at once.
                lost = error.status in GATEWAY or error.reason() == "backend_lost"
                kind = "session" if error.status == 404 else "connection" if lost else "status"
                # Born too late to be told: a killed proxy may have taken it along.
                if kind == "session" and self.judge.within("connection", self.born, TOLD_S):
                    self.judge.count("excused newborn")
                else:
                    self.judge.symptom(kind, self.asked, f"{self.name}: {error}")
            except Wrong as error:
                self.judge.fail(f"{self.name}: wrong: {error}")
            except Exception as error:  # a bug of ours or an answer beyond belief: a failure either way
                self.judge.fail(f"{self.name}: {type(error).__name__}: {error}")
            self.leave()
            self.stop.wait(self.pause_s)
        self.client.close()

    def leave(self):
        if self.reader:
            self.reader.close()
        self.reader = None

    def text(self):
        return f"{self.name} {self.random.random()} " + "x" * self.random.choice((0, 10, 1000, 70000))

    # ---- streamable ----
    def open(self):
        request = initialize_message()
        headers, _ = self.client.ask("POST", "/mcp", request)
        session = headers.get("Mcp-Session-Id")
        if not session:
            raise Wrong("initialize without Mcp-Session-Id")
        self.fields = {"Mcp-Session-Id": session, "MCP-Protocol-Version": STREAMABLE}
        self.client.ask("POST", "/mcp", {"jsonrpc": "2.0", "method": "notifications/initialized"}, self.fields)
        self.judge.count("sessions")
        self.born = time.monotonic()

    def watch(self):
        self.reader = Reader(self.judge, Stream(self.rig.port, "GET", "/mcp", headers=self.fields), self.name)

    def echo(self):
        self.asked = time.monotonic()
        text = self.text()
        request = call_message(text)
        check_echo(self.client.call("/mcp", request, self.fields), request, text)
        self.judge.count("calls")

    def go_on(self, step):
        """Repeats what a fault broke: the session must have survived it."""
        while not self.stop.is_set():
            try:
                step()
                return
            except (Broken, Refused) as error:
                status, since = getattr(error, "status", 502), getattr(error, "since", self.asked)
                if status not in GATEWAY or not self.judge.excused("connection", min(self.asked, since)):
                    raise
                self.judge.count("excused connection")
                self.stop.wait(0.1)


class Steady(Kind):
    """Calls all the time beside a GET stream, comes back after whatever breaks, says goodbye."""

    def live(self):
        self.open()
        self.watch()
        end = time.monotonic() + self.random.uniform(10, 40)
        while time.monotonic() < end and not self.stop.is_set():
            self.go_on(self.echo)
            if self.reader.ended_s is not None:
                self.judge.symptom("connection", self.reader.ended_s, f"{self.name}: its GET stream ended")
                self.go_on(self.watch)
            self.stop.wait(0.05)
        self.reader.close()
        self.asked = time.monotonic()
        self.client.ask("DELETE", "/mcp", headers=self.fields)
        try:
            self.echo()
        except Refused as error:
            if error.status == 404:
                return
            raise
        raise Wrong("a deleted session answers")


class Sleeper(Kind):
    """Speaks just often enough to be kept, for minutes."""

    def live(self):
        self.open()
        self.watch()
        for _ in range(self.random.randint(3, 15)):
            if self.stop.wait(SESSION_TIMEOUT_S * 0.7):
                break
            self.go_on(self.echo)
        self.judge.count("long lives")


class Quiet(Kind):
    """Says nothing, with a stream open: must be ended in time, cleanly, and told why."""

    def live(self):
        self.open()
        idle_from = time.monotonic()
        self.echo()
        idle_until = time.monotonic()
        self.watch()
        if self.stop.wait(SESSION_TIMEOUT_S - 1):
            return
        if self.reader.ended_s is not None and self.reader.ended_s - idle_from < SESSION_TIMEOUT_S:
            after_s = self.reader.ended_s - idle_from
            self.judge.symptom("connection", self.reader.ended_s, f"{self.name}: ended after {after_s:.1f} s")
            return
        self.reader.wait(lambda: False, CLEANUP_S + 1 + 1 + 5)
        ended = self.reader.ended_s
        if ended is None:
            self.judge.symptom("late", idle_from, f"{self.name}: not ended in time")
            return
        if ended - idle_from < SESSION_TIMEOUT_S:
            self.judge.symptom("connection", idle_from, f"{self.name}: ended after {ended - idle_from:.1f} s")
            return
        if ended - idle_until > SESSION_TIMEOUT_S + CLEANUP_S + 1 + 1:
            self.judge.symptom("late", idle_from, f"{self.name}: ended after {ended - idle_until:.1f} s")
        if not self.reader.ended_well:
            self.judge.symptom("connection", idle_from, f"{self.name}: its stream was cut")
        try:
            self.echo()
        except Refused as error:
            if error.status != 404:
                raise
            if error.reason() != "idle_timeout":
                self.judge.symptom("late", idle_from, f"{self.name}: ended as {error.reason()!r}")
            self.judge.count("expired as told")
            return
        raise Wrong("an expired session answers")


class Careless(Kind):
    """Opens sessions and leaves them lying about, in all the ways there are."""

    pause_s = 0.2

    def live(self):
        self.open()
        if self.random.random() < 0.5:
            self.watch()
            self.reader.close()
        if self.random.random() < 0.3:
            self.client.close()


class Legacy(Kind):
    """HTTP+SSE: answers come down the stream."""

    def live(self):
        self.asked = time.monotonic()
        self.reader = Reader(self.judge, Stream(self.rig.port, "GET", "/sse"), self.name)
        if not self.reader.wait(lambda: self.reader.endpoint):
            raise Broken("no endpoint event")
        self.request(initialize_message())
        self.client.ask("POST", self.reader.endpoint, {"jsonrpc": "2.0", "method": "notifications/initialized"})
        self.judge.count("sessions")
        end = time.monotonic() + self.random.uniform(5, 30)
        while time.monotonic() < end and not self.stop.is_set():
            text = self.text()
            request = call_message(text)
            check_echo(self.request(request), request, text)
            self.judge.count("calls")
            self.stop.wait(0.05)

    def request(self, message):
        self.asked = time.monotonic()
        try:
            self.client.ask("POST", self.reader.endpoint, message)
        except Refused as error:
            # The session is its stream: where that broke, so did the session.
            if error.status == 404 and self.judge.excused("connection", self.asked - 5):
                raise Broken("its stream has gone") from error
            raise
        answer = self.reader.answer(message["id"])
        if answer is None:
            raise Broken(f"no answer to {message['method']} on the stream")
        return answer


class Modern(Kind):
    """Sessionless: a listen stream and calls beside it."""

    def live(self):
        self.asked = time.monotonic()
        listen = request_message("subscriptions/listen", {"notifications": {"toolsListChanged": True}}, modern=True)
        listen["id"] = f"listen:{listen['id']}"
        fields = {"MCP-Protocol-Version": MODERN}
        self.reader = Reader(self.judge, Stream(self.rig.port, "POST", "/mcp", listen,
                                                {**fields, "Mcp-Method": "subscriptions/listen"}), self.name)
        self.judge.count("sessions")
        end = time.monotonic() + self.random.uniform(5, 30)
        while time.monotonic() < end and not self.stop.is_set():
            self.asked = time.monotonic()
            text = self.text()
            request = call_message(text, modern=True)
            answer = self.client.call("/mcp", request, {**fields, "Mcp-Method": "tools/call", "Mcp-Name": "echo"})
            check_echo(answer, request, text)
            self.judge.count("calls")
            if self.reader.ended_s is not None and not self.reader.graceful:
                self.judge.symptom("connection", self.reader.ended_s, f"{self.name}: its listen stream ended")
                return
            if self.reader.ended_s is not None:
                return  # expired, and told so
            self.stop.wait(0.05)


KINDS = ((Steady, 6), (Sleeper, 4), (Quiet, 3), (Careless, 2), (Legacy, 3), (Modern, 3))
