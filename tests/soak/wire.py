"""The least of HTTP and MCP a soak client needs, checked strictly. Standard library only.

A `Broken` says that the conversation failed as a network conversation may (refused, reset, cut); a `Wrong` that it was
answered, and wrongly. Callers decide which of the first are excused; the second never are.
"""
import http.client
import itertools
import json
import socket
import time

MODERN = "2026-07-28"
STREAMABLE = "2025-11-25"
TIMEOUT_S = 30.0

_ids = itertools.count(1)


class Broken(Exception):
    """The connection or the answer was cut, or never came about; `since`: when it was last seen well."""

    def __init__(self, what, since=None):
        super().__init__(what)
        self.since = time.monotonic() if since is None else since


class Wrong(Exception):
    """An answer that must never be given."""


class Refused(Exception):
    """An answer of another status than wanted."""

    def __init__(self, status, body, headers=None):
        super().__init__(f"status {status}: {body[:300]!r}")
        self.status, self.body, self.headers = status, body, headers or {}

    def reason(self):
        try:
            return json.loads(self.body)["error"]["data"]["reason"]
        except (ValueError, KeyError, TypeError):
            return ""


def next_id():
    return next(_ids)


def call_message(text, modern=False):
    params = {"name": "echo", "arguments": {"message": text}}
    return request_message("tools/call", params, modern)


def request_message(method, params=None, modern=False):
    params = dict(params or {})
    if modern:
        params["_meta"] = {"io.modelcontextprotocol/protocolVersion": MODERN,
                           "io.modelcontextprotocol/clientInfo": {"name": "soak", "version": "1"},
                           "io.modelcontextprotocol/clientCapabilities": {}}
    return {"jsonrpc": "2.0", "id": next_id(), "method": method, "params": params}


def initialize_message():
    return request_message("initialize", {"protocolVersion": STREAMABLE, "capabilities": {},
                                          "clientInfo": {"name": "soak", "version": "1"}})


def check_echo(message, request, text):
    """The answer to `request` is exactly the echo of `text`."""
    if message.get("id") != request["id"]:
        raise Wrong(f"asked with id {request['id']}, answered id {message.get('id')}")
    if "error" in message:
        raise Refused(200, json.dumps(message).encode())
    got = message["result"]["content"][0]["text"]
    if got != text:
        raise Wrong(f"echo of {text[:80]!r} is {got[:80]!r}")


class Events:
    """Server-sent events out of a byte stream that may be cut anywhere: feed() gives the data of each whole event."""

    def __init__(self):
        self._rest = b""

    def feed(self, data):
        self._rest += data
        *blocks, self._rest = self._rest.split(b"\n\n")
        for block in blocks:
            name, lines = "message", []
            for line in block.split(b"\n"):
                if line.startswith(b"event:"):
                    name = line[6:].strip().decode()
                elif line.startswith(b"data:"):
                    lines.append(line[5:].removeprefix(b" "))
            if lines and b"".join(lines):
                yield name, b"\n".join(lines)

    @property
    def between(self):
        return not self._rest


class Client:
    """Requests on one keep-alive connection, opened again where it broke."""

    def __init__(self, port):
        self._port, self._conn = port, None
        self._well = 0.0  # when the connection was last seen well

    def close(self):
        if self._conn:
            self._conn.close()
        self._conn = None

    def ask(self, method, path, message=None, headers=None):
        """(headers, body) of a 2xx answer; its events' data where it is an event stream."""
        fields = {"Accept": "application/json, text/event-stream", **(headers or {})}
        body = None
        if message is not None:
            body = json.dumps(message).encode()
            fields["Content-Type"] = "application/json"
        try:
            if self._conn is None:
                self._conn = http.client.HTTPConnection("127.0.0.1", self._port, timeout=TIMEOUT_S)
                self._well = time.monotonic()
            self._conn.request(method, path, body, fields)
            answer = self._conn.getresponse()
            text = answer.read()
            wanted = answer.getheader("Content-Length")
            if wanted is not None and method != "HEAD" and len(text) != int(wanted):
                raise Broken("short body")
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise Broken(f"{type(error).__name__} {error}", self._well) from error
        self._well = time.monotonic()
        if answer.will_close:
            self.close()
        if not 200 <= answer.status < 300:
            raise Refused(answer.status, text, answer.headers)
        return answer.headers, text

    def call(self, path, message, headers=None):
        """The JSON-RPC answer to a request, from a JSON body or an event stream."""
        fields, text = self.ask("POST", path, message, headers)
        if fields.get_content_type() != "text/event-stream":
            return json.loads(text)
        for _, data in Events().feed(text):
            answer = json.loads(data)
            if answer.get("id") == message["id"] and "method" not in answer:
                return answer
        raise Wrong(f"a stream without the answer to id {message['id']}: {text[:200]!r}")


class Stream:
    """An event stream held open: GET, or a POST that listens."""

    def __init__(self, port, method, path, message=None, headers=None):
        self._conn = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
        fields = {"Accept": "application/json, text/event-stream" if message else "text/event-stream", **(headers or {})}
        body = None
        if message is not None:
            body = json.dumps(message).encode()
            fields["Content-Type"] = "application/json"
        self.ended_well = False
        self._events = Events()
        try:
            self._conn.request(method, path, body, fields)
            self._socket = self._conn.sock
            self._answer = self._conn.getresponse()
        except (OSError, http.client.HTTPException) as error:
            self._conn.close()
            raise Broken(f"{type(error).__name__} {error}") from error
        if self._answer.status != 200:
            text = self._answer.read()
            self._conn.close()
            raise Refused(self._answer.status, text, self._answer.headers)

    def events(self):
        """(name, data) of each event, until the stream ends; `ended_well` then says how."""
        while True:
            try:
                data = self._answer.read1(65536)
            except (OSError, ValueError, http.client.HTTPException, AttributeError):
                return
            if not data:
                self.ended_well = self._events.between
                return
            yield from self._events.feed(data)

    def close(self):
        """From any thread: whoever reads events() comes to its end."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def release(self):
        self._conn.close()
