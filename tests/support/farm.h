// A pair in front of several demo backends in one upstream, and clients that tell whether their
// sessions are still where they began: a server that does not know a session answers 404.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/hf_test.h"
#include "tests/support/pair.h"

namespace holdfast::test {

inline std::string server_line(const DemoBackend &backend, std::string_view params = {}) {
  return "server 127.0.0.1:" + std::to_string(backend.port()) + " " + std::string(params) + "; ";
}

// Number 0 is the pair's own backend.
struct Farm {
  std::deque<DemoBackend> more;
  PairOptions options;  // of the pair
  std::unique_ptr<Pair> pair;

  explicit Farm(size_t count, PairOptions wanted = {}) : options(std::move(wanted)) {
    for (size_t i = 1; i < count; ++i) {
      more.emplace_back(options.backend_args);
      options.upstream += server_line(more.back());
    }
    pair = std::make_unique<Pair>(options);
  }
  DemoBackend &backend(size_t i) { return i == 0 ? pair->backend() : more[i - 1]; }
  size_t size() const { return more.size() + 1; }
  // As the admin socket names them.
  std::string name(size_t i) { return "backend/127.0.0.1:" + std::to_string(backend(i).port()); }
  size_t sessions_at(size_t i) { return backend(i).state()["sessions"].size(); }
  std::vector<size_t> spread() {
    std::vector<size_t> all;
    for (size_t i = 0; i < size(); ++i) all.push_back(sessions_at(i));
    return all;
  }
};

inline std::vector<StreamableClient> open_clients(const Pair &pair, size_t count) {
  std::vector<StreamableClient> clients;
  for (size_t i = 0; i < count; ++i) clients.emplace_back(pair.proxy_port()).open();
  return clients;
}

// Every session answers, on connections that reach either worker: a server that does not know a
// session would say 404.
inline void check_all_served(const std::vector<StreamableClient> &clients, int rounds = 4) {
  for (int round = 0; round < rounds; ++round) {
    for (const StreamableClient &client : clients) {
      HF_EQ(tool_text(client.call("echo", R"({"message":"mine"})")), "mine");
    }
  }
}

}  // namespace holdfast::test
