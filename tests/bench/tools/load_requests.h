// The requests mcp-load sends and what it checks of the replies.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "tests/bench/tools/load_engine.h"

namespace holdfast::bench {

inline constexpr std::string_view kInitialized =
    R"({"jsonrpc":"2.0","method":"notifications/initialized"})";

// Always ten digits, so that a request kept ready can be patched in place.
inline constexpr uint64_t kFirstId = 1'000'000'000;

class Requests {
 public:
  explicit Requests(const LoadSettings &settings);  // borrows

  // A POST; `more_bytes` of body follow what is given here. An empty session is not sent.
  std::string post(std::string_view path, std::string_view session, std::string_view body,
                   size_t more_bytes = 0) const;
  std::string get_stream(std::string_view path, std::string_view session) const;
  std::string delete_session(std::string_view session) const;
  std::string initialize(std::string_view path, uint64_t id) const;
  std::string_view padding() const { return padding_; }

 private:
  std::string common_fields(std::string_view session) const;

  const LoadSettings &settings_;
  std::string padding_;  // of tools/call, shared by all connections
};

// A tools/call kept ready for one connection; only the id changes.
class CallTemplate {
 public:
  void build(const Requests &requests, std::string_view path, std::string_view session);
  void send(Client &client, uint64_t id);

 private:
  std::string bytes_;
  std::string_view shared_;  // a padding too big to be copied
  size_t id_at_ = 0;
};

// Collects just enough of a response body to find the JSON-RPC id in it.
class ReplyCheck {
 public:
  void begin();
  void add(std::string_view bytes);
  bool has_id(uint64_t wanted) const;
  size_t bytes() const { return bytes_; }

 private:
  std::string head_;
  std::string tail_;
  size_t bytes_ = 0;
};

}  // namespace holdfast::bench
