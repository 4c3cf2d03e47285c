// How a serving process is to end: what the master tells it, and it its workers. Pure.
#pragma once

#include <cstdint>

namespace holdfast::proxy {

enum class StopKind : uint8_t {
  fast,         // what is in flight gets a moment
  graceful,     // idle connections close, endless streams end, calls finish
  handed_over,  // another process accepts from the same listeners: nobody here need notice
};

}  // namespace holdfast::proxy
