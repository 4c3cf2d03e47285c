"""What went wrong, and what of it was asked for. All clients and faults speak to one Judge, from any thread."""
import collections
import threading
import time

KEPT = 50


class Judge:
    """Counts what was done, keeps the first failures, knows which faults excuse which symptoms.

    A window excuses one kind of symptom for a while: `connection` (refused, reset, cut, 502, 503, 504), `session` (404 on a
    live id: its backend is gone), `late` (an expiry later than promised: sessiond was away).
    """

    def __init__(self):
        self._lock = threading.Lock()
        self._windows = collections.defaultdict(list)  # kind → [[from, until]]
        self._counts = collections.Counter()
        self.failures = []
        self.failed = 0

    def count(self, what, by=1):
        with self._lock:
            self._counts[what] += by

    def counts(self):
        with self._lock:
            return dict(self._counts)

    def open_window(self, kinds):
        """From now on, until close_window(): what these kinds of symptoms have a reason for."""
        with self._lock:
            for kind in kinds:
                self._windows[kind].append([time.monotonic(), float("inf")])

    def close_window(self, kinds, after_s):
        with self._lock:
            for kind in kinds:
                self._windows[kind][-1][1] = time.monotonic() + after_s

    def excused(self, kind, since):
        """Whether anything between `since` and now explains a symptom of this kind."""
        now = time.monotonic()
        with self._lock:
            return any(begin <= now and until >= since for begin, until in self._windows[kind])

    def within(self, kind, moment, before_s):
        """Whether the moment lies in such a window, or so shortly before one."""
        with self._lock:
            return any(begin - before_s <= moment <= until for begin, until in self._windows[kind])

    def fail(self, what):
        with self._lock:
            self.failed += 1
            print(f"{time.strftime('%H:%M:%S')} FAILED {what}", flush=True)
            if len(self.failures) < KEPT:
                self.failures.append(f"{time.strftime('%H:%M:%S')} {what}")

    def symptom(self, kind, since, what):
        if self.excused(kind, since):
            self.count(f"excused {kind}")
        else:
            self.fail(f"{kind}: {what}")
