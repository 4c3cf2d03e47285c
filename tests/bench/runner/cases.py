"""What is measured: each case's load, its backend, its columns and the goal of its first column."""
from dataclasses import dataclass

MIB = 1024 * 1024


@dataclass(frozen=True)
class Column:
    key: str  # in mcp-load's JSON
    title: str
    better: str = ""  # "low", "high", or "" for no ratio


@dataclass(frozen=True)
class Case:
    title: str
    load: str  # mcp-load's arguments
    mock: str = ""  # mcp-mock's arguments
    columns: tuple = ()
    goal: float = 0.0  # of the first column
    goal_is_ratio: bool = True  # to nginx; else absolute
    pair: bool = False  # sessiond's part counts too
    seconds: float = 0.0  # 0: what the command line says
    single: bool = False  # one round says it all: memory hardly varies
    workers: int = 1
    tls: str = ""  # "client" or "backend": the side that speaks TLS 1.3

    def measures(self, target):
        """A byte forwarder can neither end TLS nor begin it."""
        return not (self.tls and target == "splice")


CPU = Column("cpu_s_per_100k", "CPU s/100k", "low")
CPU_GB = Column("cpu_s_per_gb", "CPU s/GB", "low")
EACH = Column("rss_each", "RSS bytes each", "low")
RPS = Column("req_per_s", "req/s", "high")
P50 = Column("p50_us", "p50 us", "low")
P99 = Column("p99_us", "p99 us", "low")

BIG = f"big --conns 4 --req-bytes {MIB} --expect-bytes {MIB}"
STREAMS = "--streams 5000 --sources 4"

CASES = {
    "call16": Case("tools/call, 16 connections", "call --conns 16", "", (CPU, RPS, P50, P99), 0.80),
    "call64": Case("tools/call, 64 connections", "call --conns 64", "", (CPU, RPS, P50, P99), 0.80),
    "callsse": Case("tools/call answered as SSE, 16 connections", "call --conns 16", "--sse-response",
                    (CPU, RPS, P50, P99), 0.65),
    "events": Case("1,000 streams x 10 events/s", "events --streams 1000", "--rate 10",
                   (CPU, Column("events_per_s", "events/s"), P50, P99), 0.80),
    "legacy": Case("legacy HTTP+SSE round trips, 16 clients", "legacy --conns 16", "",
                   (CPU, RPS, P50, P99), 0.85),
    "churn": Case("whole sessions: connect, 4 requests, close; 16 at a time",
                  "churn --conns 16 --sources 8", "",
                  (CPU, Column("sessions_per_s", "sessions/s", "high"), P50, P99), 0.95, pair=True),
    "big1m": Case("1 MiB each way, 4 connections", BIG, f"--resp-bytes {MIB}",
                  (CPU_GB, Column("down_mb_per_s", "MB/s each way", "high"),
                   Column("target_hwm_mib", "peak RSS MiB")), 0.32),
    "tlscall": Case("tools/call over https, 16 keep-alive connections", "call --conns 16", "", (CPU, RPS, P50, P99), 1.0,
                    tls="client"),
    "tlsnew": Case("a new https connection for each request: full handshakes, 16 at a time",
                   "once --conns 16 --sources 8", "",
                   (CPU, Column("conns_per_s", "handshakes/s", "high"), P50, P99), 1.0, tls="client"),
    "tlsback": Case("tools/call, TLS to the backend, 16 connections", "call --conns 16", "", (CPU, RPS, P50, P99), 1.0,
                    tls="backend"),
    "workers2": Case("tools/call, 64 connections, 2 workers", "call --conns 64", "",
                     (CPU, RPS, P50, P99), 0.80, workers=2),
    "idle": Case("5,000 idle event streams", f"idle {STREAMS}", "",
                 (EACH, Column("hold_cpu_pct", "idle CPU %"), Column("setup_per_s", "opened/s")),
                 1536, False, seconds=1, single=True),
    "conns": Case("5,000 idle keep-alive connections", "conns --conns 5000 --sources 4", "",
                  (EACH, Column("hold_cpu_pct", "idle CPU %")), 512, False, seconds=1, single=True),
    "slow": Case("10 blocked readers beside 10 reading ones, 5 MB/s each",
                 "slow --streams 10 --slow 10", "--rate 100 --event-bytes 50000",
                 (Column("kib_per_slow", "KiB each"), Column("events_per_s", "fast events/s"),
                  Column("free_p99_us", "p99 us before"), P99), 64, False, seconds=4, single=True),
}

# The cases whose system calls and instructions are counted, and the mock's counter of their operations.
COUNTED = {"call16": "calls", "callsse": "calls", "events": "events", "churn": "initialize"}
