#include "proxy/net/byte_stream.h"

#include <linux/sock_diag.h>

#include <algorithm>
#include <array>
#include <cstdint>

namespace holdfast::proxy {

size_t ByteStream::room() const noexcept {
  if (tls_) return 0;
  std::array<uint32_t, SK_MEMINFO_VARS> memory{};
  socklen_t bytes = sizeof memory;
  if (::getsockopt(fd_.get(), SOL_SOCKET, SO_MEMINFO, memory.data(), &bytes) != 0) return 0;
  // TCP counts what is not acknowledged as queued, a Unix socket what is not read as allocated.
  const uint32_t used = std::max(memory[SK_MEMINFO_WMEM_QUEUED], memory[SK_MEMINFO_WMEM_ALLOC]);
  const uint32_t limit = memory[SK_MEMINFO_SNDBUF];
  // Half of what is left: the kernel counts its own headers, which small segments have many of.
  return used < limit ? (limit - used) / 2 : 0;
}

}  // namespace holdfast::proxy
