// Names a running exchange across threads and time: the worker that owns it and its number there,
// which is never reused. Plain data.
#pragma once

#include <cstdint>

namespace holdfast::proxy {

struct ExchangeRef {
  uint32_t worker = 0;
  uint64_t exchange = 0;
  bool operator==(const ExchangeRef &) const = default;
};

}  // namespace holdfast::proxy
