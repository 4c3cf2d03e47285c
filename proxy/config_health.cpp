// health_check: NGINX Plus' names where the meaning is equal.
#include <algorithm>
#include <array>
#include <type_traits>

#include "common/units.h"
#include "proxy/config_builder.h"
#include "proxy/config_values.h"

namespace holdfast::proxy {
namespace {

// The proxy's timers know no finer time, and nobody is to be asked all the time.
constexpr Millis kCheckTimeMin{100};
constexpr uint64_t kCheckCountMax = 1000;
constexpr Millis kUnset{-1};

constexpr std::string_view kParams =
    " (interval=, jitter=, timeout=, fails=, passes=, uri=, port=, type=)";

bool is_unsupported(std::string_view name) {
  constexpr std::array<std::string_view, 7> kNames = {
      "mandatory", "persistent", "match", "keepalive_time", "grpc_service", "grpc_status", "udp"};
  return std::find(kNames.begin(), kNames.end(), name) != kNames.end();
}

// An origin-form target: what stands in a request line as it is.
bool is_target(std::string_view text) {
  return text.starts_with('/') && std::all_of(text.begin(), text.end(), [](char c) {
           return static_cast<unsigned char>(c) > 0x20 && static_cast<unsigned char>(c) < 0x7f &&
                  c != '#';
         });
}

}  // namespace

void ConfigBuilder::read_health_check(Upstream &upstream, const ConfDirective &directive) {
  HealthCheck check;
  check.jitter = kUnset;
  for (const ConfWord &word : directive.args) read_health_param(check, word);
  if (check.kind == HealthCheck::Kind::tcp && !check.uri.empty()) {
    fail(directive.span(), "type=tcp only connects; without it uri= is asked for");
  }
  if (check.jitter == kUnset) check.jitter = check.interval / 10;
  upstream.health_check = std::move(check);
}

void ConfigBuilder::read_health_param(HealthCheck &check, const ConfWord &word) {
  const ConfParam param = split_param(word.text);
  const auto told = [&](const std::string &what) {
    fail(word.span, std::string(param.name) + "=: " + what);
  };
  const auto time = [&](Millis &field, Millis min) {
    const auto value = parse_duration(param.value);
    if (!value) return told(value.error().message);
    if (*value < min) return told("must be at least " + duration_text(min));
    field = *value;
  };
  const auto count = [&](auto &field, uint64_t max) {
    const auto value = parse_count(param.value, 1, max);
    if (!value) return told(value.error().message);
    field = static_cast<std::remove_reference_t<decltype(field)>>(*value);
  };
  if (param.name == "interval" && param.has_value) {
    time(check.interval, kCheckTimeMin);
  } else if (param.name == "jitter" && param.has_value) {
    time(check.jitter, Millis{0});
  } else if (param.name == "timeout" && param.has_value) {
    time(check.timeout, kCheckTimeMin);
  } else if (param.name == "fails" && param.has_value) {
    count(check.fails, kCheckCountMax);
  } else if (param.name == "passes" && param.has_value) {
    count(check.passes, kCheckCountMax);
  } else if (param.name == "port" && param.has_value) {
    count(check.port, UINT16_MAX);
  } else if (param.name == "uri" && param.has_value) {
    if (!is_target(param.value)) return told("begins with \"/\" and has no blanks");
    check.uri = param.value;
  } else if (word.text == "type=tcp") {
    check.kind = HealthCheck::Kind::tcp;
  } else if (word.text == "type=http") {
    check.kind = HealthCheck::Kind::http;
  } else if (is_unsupported(param.name) || param.name == "type") {
    fail(word.span, '"' + word.text + "\" is not supported by this version" +
                        (param.name == "type" ? " (type=http, type=tcp)" : ""));
  } else {
    fail(word.span, "invalid parameter \"" + word.text + '"' + std::string(kParams));
  }
}

void ConfigBuilder::check_health_port(const ConfDirective &block, const Upstream &upstream) {
  if (!upstream.health_check || upstream.health_check->port == 0) return;
  const bool any_unix =
      std::any_of(upstream.servers.begin(), upstream.servers.end(),
                  [](const BackendServer &server) { return server.addresses.front().is_unix(); });
  if (any_unix) fail(block.args.front().span, "a Unix socket has no other port for health_check");
}

}  // namespace holdfast::proxy
