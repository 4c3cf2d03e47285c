#include "proxy/packed_identity.h"

#include <cstring>
#include <string>

namespace holdfast::proxy {

PackedIdentity::PackedIdentity(const SessionIdentity &from)
    : backend_(from.backend), transport_(from.transport), initialize_first_(from.initialize_first) {
  const std::array<std::string_view, kTexts> texts{
      from.id,     from.user, from.policy,      from.backend_session,
      from.target, from.peer, from.client_name, from.client_version};
  Ends ends{};
  size_t bytes = sizeof ends;
  for (size_t i = 0; i < kTexts; ++i) {
    bytes += texts[i].size();
    ends[i] = static_cast<uint32_t>(bytes);
  }
  block_ = std::make_unique_for_overwrite<char[]>(bytes);
  std::memcpy(block_.get(), ends.data(), sizeof ends);
  char *to = block_.get() + sizeof ends;
  for (const std::string_view text : texts) to += text.copy(to, text.size());
}

std::string_view PackedIdentity::text(size_t which) const noexcept {
  uint32_t begin = sizeof(Ends);
  uint32_t end = 0;
  const char *const ends = block_.get();
  if (which > 0) std::memcpy(&begin, ends + (which - 1) * sizeof begin, sizeof begin);
  std::memcpy(&end, ends + which * sizeof end, sizeof end);
  return {ends + begin, end - begin};
}

void PackedIdentity::move_to(BackendId backend, std::string_view backend_session) {
  backend_ = backend;
  recovered_ = std::make_unique<std::string>(backend_session);
}

SessionIdentity PackedIdentity::unpack() const {
  SessionIdentity out;
  out.id = text(0);
  out.user = text(1);
  out.policy = text(2);
  out.transport = transport_;
  out.backend = backend_;
  out.backend_session = backend_session();
  out.target = text(4);
  out.peer = text(5);
  out.client_name = text(6);
  out.client_version = text(7);
  out.initialize_first = initialize_first_;
  return out;
}

}  // namespace holdfast::proxy
