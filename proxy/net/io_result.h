// How a read or a write on a connection ended. Values.
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>

namespace holdfast::proxy {

enum class IoStatus : uint8_t {
  ok,
  would_block,
  eof,    // the peer has said that nothing more comes: FIN, or with TLS its close_notify
  failed  // broken; with TLS also an end without close_notify, which may hide a truncation
};

struct IoResult {
  IoStatus status = IoStatus::ok;
  size_t bytes = 0;   // with ok
  int sys_errno = 0;  // with failed; 0 where TLS itself is what failed

  // TCP has given up: probes or data went unanswered for too long.
  bool host_gone() const noexcept {
    return sys_errno == ETIMEDOUT || sys_errno == EHOSTUNREACH || sys_errno == ENETUNREACH;
  }
};

}  // namespace holdfast::proxy
