#include "tests/bench/tools/load_modes.h"

#include <sys/resource.h>

#include <algorithm>

#include "tests/bench/tools/legacy_client.h"
#include "tests/bench/tools/once_client.h"

namespace holdfast::bench {
namespace {

constexpr double kForeverS = 3600;
constexpr size_t kHandshakesAtOnce = 128;

double own_cpu_s() {
  rusage usage{};
  (void)::getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

}  // namespace

bool LoadModes::run(std::string_view mode) {
  struct Row {
    std::string_view name;
    void (LoadModes::*run)();
  };
  constexpr Row kRows[] = {
      {"call", &LoadModes::call},     {"big", &LoadModes::call},  {"churn", &LoadModes::churn},
      {"once", &LoadModes::once},     {"idle", &LoadModes::idle}, {"conns", &LoadModes::conns},
      {"events", &LoadModes::events}, {"slow", &LoadModes::slow}, {"legacy", &LoadModes::legacy}};
  for (const Row &row : kRows) {
    if (row.name != mode) continue;
    (this->*row.run)();
    return true;
  }
  return false;
}

// Runs until `wanted` clients are ready; what is missing counts as not_ready.
void LoadModes::wait_ready(size_t wanted) {
  constexpr uint64_t kLookNs = 20'000'000;
  const uint64_t limit = now_ns() + static_cast<uint64_t>(load_.settings.setup_limit_s * 1e9);
  while (load_.ready < wanted && now_ns() < limit) {
    load_.engine.run(std::min(limit, now_ns() + kLookNs));
  }
  load_.errors.not_ready += wanted - std::min(wanted, load_.ready);
}

// Opens the counting window, runs, closes it.
LoadModes::Measured LoadModes::measure(double seconds) {
  Measured measured;
  load_.window = Window{};
  const ProcSample target = sample_processes(load_.settings.pids, false);
  const ProcSample mock = sample_processes(load_.settings.mock_pids, false);
  const double own = own_cpu_s();
  const uint64_t begin = now_ns();
  load_.window.open = true;
  load_.engine.run_for(seconds);
  load_.window.open = false;
  measured.seconds = static_cast<double>(now_ns() - begin) / 1e9;
  measured.load_cpu_s = own_cpu_s() - own;
  measured.after = sample_processes(load_.settings.pids, false);
  measured.target_cpu_s = measured.after.cpu_s - target.cpu_s;
  measured.target_user_s = measured.after.user_s - target.user_s;
  measured.mock_cpu_s = sample_processes(load_.settings.mock_pids, false).cpu_s - mock.cpu_s;
  return measured;
}

void LoadModes::report_rate(const Measured &measured, size_t clients, const char *count_key,
                            const char *rate_key) {
  const auto done = static_cast<double>(load_.window.done);
  report_.num("clients", static_cast<double>(clients));
  report_.num("seconds", measured.seconds, "s");
  report_.num(count_key, done);
  report_.num(rate_key, done / measured.seconds, "1/s");
  report_.latency(load_.window.latency);
  report_.num("reconnects", static_cast<double>(load_.window.reconnects));
  report_cpu(measured);
}

void LoadModes::report_cpu(const Measured &measured) {
  const auto share = [&](double cpu_s) { return 100 * cpu_s / measured.seconds; };
  if (!load_.settings.pids.empty()) {
    const auto done = static_cast<double>(std::max<uint64_t>(load_.window.done, 1));
    const double cpu_s = measured.target_cpu_s;
    report_.num("target_cpu_pct", share(cpu_s), "% of one core");
    report_.num("cpu_s_per_100k", cpu_s * 1e5 / done, "s");
    report_.num("target_user_pct", cpu_s > 0 ? 100 * measured.target_user_s / cpu_s : 0,
                "% of its CPU time");
    report_.num("target_hwm_mib", measured.after.hwm_kib / 1024, "MiB peak");
    report_.num("target_threads", measured.after.threads);
  }
  report_.num("load_cpu_pct", share(measured.load_cpu_s), "% of one core");
  if (!load_.settings.mock_pids.empty())
    report_.num("mock_cpu_pct", share(measured.mock_cpu_s), "% of one core");
}

void LoadModes::report_transfer(const Measured &measured) {
  const auto done = static_cast<double>(load_.window.done);
  const double up_bytes = done * static_cast<double>(load_.settings.req_bytes);
  const auto down_bytes = static_cast<double>(load_.window.bytes);
  report_.num("up_mb_per_s", up_bytes / measured.seconds / 1e6, "MB/s to the backend");
  report_.num("down_mb_per_s", down_bytes / measured.seconds / 1e6, "MB/s from the backend");
  const double gb = std::max((up_bytes + down_bytes) / 1e9, 1e-9);
  if (!load_.settings.pids.empty()) report_.num("cpu_s_per_gb", measured.target_cpu_s / gb, "s");
}

// What `count` streams or connections cost over what was there before them.
void LoadModes::report_memory(const ProcSample &before, const ProcSample &held, size_t count) {
  if (load_.settings.pids.empty() || count == 0) return;
  const auto each = [&](double kib) { return kib * 1024 / static_cast<double>(count); };
  report_.num("rss_before_mib", before.rss_kib / 1024, "MiB");
  report_.num("rss_held_mib", held.rss_kib / 1024, "MiB");
  report_.num("rss_each", each(held.rss_kib - before.rss_kib), "bytes");
  report_.num("pss_each", each(held.pss_kib - before.pss_kib), "bytes");
}

void LoadModes::call() {
  std::vector<std::unique_ptr<CallClient>> clients;
  for (size_t i = 0; i < load_.settings.conns; ++i) {
    clients.push_back(std::make_unique<CallClient>(load_));
    clients.back()->start(static_cast<unsigned>(i));
  }
  wait_ready(load_.settings.conns);
  load_.engine.run_for(load_.settings.warmup_s);
  const Measured measured = measure(load_.settings.seconds);
  for (const auto &client : clients) load_.errors.stuck += client->stuck() ? 1 : 0;
  report_rate(measured, clients.size(), "requests", "req_per_s");
  if (load_.settings.mode == "big") report_transfer(measured);
}

void LoadModes::churn() {
  std::vector<std::unique_ptr<ChurnClient>> clients;
  for (size_t i = 0; i < load_.settings.conns; ++i) {
    clients.push_back(std::make_unique<ChurnClient>(load_));
    clients.back()->begin(static_cast<unsigned>(i));
  }
  load_.engine.run_for(load_.settings.warmup_s);
  const Measured measured =
      measure(load_.settings.sessions > 0 ? kForeverS : load_.settings.seconds);
  report_rate(measured, clients.size(), "sessions", "sessions_per_s");
}

void LoadModes::once() {
  std::vector<std::unique_ptr<OnceClient>> clients;
  for (size_t i = 0; i < load_.settings.conns; ++i) {
    clients.push_back(std::make_unique<OnceClient>(load_));
    clients.back()->begin(static_cast<unsigned>(i));
  }
  load_.engine.run_for(load_.settings.warmup_s);
  const uint64_t begin = now_ns();
  const Measured measured = measure(load_.settings.seconds);
  for (const auto &client : clients) load_.errors.stuck += client->begun_ns() < begin ? 1 : 0;
  report_rate(measured, clients.size(), "connections", "conns_per_s");
}

// Streams, opened a few at a time.
class LoadModes::StreamSet {
 public:
  StreamSet(LoadModes &modes, size_t count, bool slow)
      : modes_(modes), count_(count), slow_(slow) {}

  void open_all() {
    const uint64_t begin = now_ns();
    const size_t before = modes_.load_.ready;
    for (size_t i = 0; i < std::min(count_, kHandshakesAtOnce); ++i) add();
    modes_.wait_ready(before + count_);
    setup_s_ = static_cast<double>(now_ns() - begin) / 1e9;
  }
  void pause(bool paused) {
    for (const auto &client : clients_) {
      if (client->is_open()) client->pause_reading(paused);
    }
  }
  const StreamTotals &totals() const { return totals_; }
  double setup_s() const { return setup_s_; }

 private:
  void add() {
    if (clients_.size() >= count_) return;
    clients_.push_back(std::make_unique<StreamClient>(modes_.load_, totals_, slow_));
    clients_.back()->on_open = [this] { add(); };
    clients_.back()->start(static_cast<unsigned>(clients_.size()));
  }

  LoadModes &modes_;
  const size_t count_;
  const bool slow_;
  double setup_s_ = 0;
  StreamTotals totals_;
  std::vector<std::unique_ptr<StreamClient>> clients_;
};

void LoadModes::idle() {
  const ProcSample before = sample_processes(load_.settings.pids, true);
  StreamSet set(*this, load_.settings.streams, false);
  set.open_all();
  load_.engine.run_for(load_.settings.warmup_s);
  const Measured measured = measure(load_.settings.seconds);
  const ProcSample held = sample_processes(load_.settings.pids, true);
  report_.num("streams", static_cast<double>(load_.settings.streams));
  report_.num("open_at_end", static_cast<double>(set.totals().open));
  report_.num("died", static_cast<double>(set.totals().died));
  report_.num("setup_per_s", static_cast<double>(set.totals().open) / set.setup_s(), "1/s");
  report_memory(before, held, set.totals().open);
  report_.num("hold_cpu_pct", 100 * measured.target_cpu_s / measured.seconds, "% while idle");
}

// Keep-alive connections between two requests, without sessions, so that a connection's own cost
// shows.
void LoadModes::conns() {
  struct Rest final : Client {
    explicit Rest(LoadContext &load_)
        : Client(load_.engine, load_.settings, load_.errors), load(load_) {}
    void on_head(const Head &head) override {
      if (head.status != 200) ++errors_.status[head.status];
    }
    void on_end() override { ++load.ready; }
    void on_closed() override { ++errors_.closed; }
    LoadContext &load;
  };
  const std::string ping = load_.requests.get_stream("/ping", "");
  const ProcSample before = sample_processes(load_.settings.pids, true);
  std::vector<std::unique_ptr<Rest>> clients;
  for (size_t i = 0; i < load_.settings.conns; ++i) {
    clients.push_back(std::make_unique<Rest>(load_));
    clients.back()->open(static_cast<unsigned>(i));
    clients.back()->send(ping);
    if (clients.size() % kHandshakesAtOnce == 0) wait_ready(clients.size());
  }
  wait_ready(clients.size());
  load_.engine.run_for(load_.settings.warmup_s);
  const Measured measured = measure(load_.settings.seconds);
  const ProcSample held = sample_processes(load_.settings.pids, true);
  report_.num("clients", static_cast<double>(clients.size()));
  report_memory(before, held, clients.size());
  report_.num("hold_cpu_pct", 100 * measured.target_cpu_s / measured.seconds, "% while idle");
}

void LoadModes::events() {
  StreamSet set(*this, load_.settings.streams, false);
  set.open_all();
  load_.engine.run_for(load_.settings.warmup_s);
  const Measured measured = measure(load_.settings.seconds);
  report_.num("open_at_end", static_cast<double>(set.totals().open));
  report_rate(measured, load_.settings.streams, "events", "events_per_s");
}

// Slow readers stop after their first events; the fast ones show whether they are disturbed. At the
// end the slow ones resume: what was buffered must come out complete and in order, or the stream
// must have been closed.
void LoadModes::slow() {
  const double seconds = load_.settings.seconds;
  StreamSet fast(*this, load_.settings.streams, false);
  StreamSet slow(*this, load_.settings.slow, true);
  fast.open_all();
  slow.open_all();
  load_.engine.run_for(load_.settings.warmup_s);
  const ProcSample before = sample_processes(load_.settings.pids, true);
  const Measured free = measure(seconds / 4);
  report_.num("free_events_per_s", static_cast<double>(load_.window.done) / free.seconds, "1/s");
  report_.num("free_p99_us", static_cast<double>(load_.window.latency.quantile_ns(0.99)) / 1e3,
              "us, all reading");

  slow.pause(true);
  const uint64_t events_before = slow.totals().events;
  double peak_kib = 0;
  load_.engine.every(200, [&] {
    peak_kib = std::max(peak_kib, sample_processes(load_.settings.pids, false).rss_kib);
  });
  const Measured measured = measure(seconds);
  load_.engine.every(0, {});
  peak_kib = std::max(peak_kib, sample_processes(load_.settings.pids, true).rss_kib);
  report_rate(measured, load_.settings.streams, "events", "events_per_s");
  const size_t cut = load_.settings.slow - std::min(load_.settings.slow, slow.totals().open);
  report_.num("slow_closed", static_cast<double>(cut), "closed by the target while blocked");
  slow.pause(false);
  load_.engine.run_for(2);
  report_.num("slow_resumed_events", static_cast<double>(slow.totals().events - events_before));
  if (load_.settings.pids.empty()) return;
  const auto count = static_cast<double>(std::max<size_t>(load_.settings.slow, 1));
  report_.num("rss_before_mib", before.rss_kib / 1024, "MiB");
  report_.num("rss_peak_mib", peak_kib / 1024, "MiB");
  report_.num("kib_per_slow", (peak_kib - before.rss_kib) / count, "KiB growth each");
}

void LoadModes::legacy() {
  std::vector<std::unique_ptr<LegacyClient>> clients;
  for (size_t i = 0; i < load_.settings.conns; ++i) {
    clients.push_back(std::make_unique<LegacyClient>(load_, static_cast<unsigned>(i)));
    clients.back()->start();
  }
  wait_ready(load_.settings.conns);
  load_.engine.run_for(load_.settings.warmup_s);
  report_rate(measure(load_.settings.seconds), clients.size(), "round_trips", "req_per_s");
}

}  // namespace holdfast::bench
