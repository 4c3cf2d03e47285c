#include "sessiond/core/prefix_index.h"

#include <algorithm>

#include "common/ids.h"

namespace holdfast::sessiond {
namespace {

constexpr size_t kSessionsPerChainMax = 2;  // on average, before the chains are doubled

}  // namespace

size_t PrefixIndex::chain_of(std::string_view id) const noexcept {
  return keyed_hash(id.substr(0, kPrefixCharsMin)) & (chains_.size() - 1);
}

void PrefixIndex::link(Session &session) noexcept {
  Session *&first = chains_[chain_of(session.id->text())];
  session.of_prefix = {nullptr, first};
  if (first != nullptr) first->of_prefix.prev = &session;
  first = &session;
}

void PrefixIndex::add(Session &session) {
  if (++size_ > chains_.size() * kSessionsPerChainMax) grow();
  link(session);
}

void PrefixIndex::remove(Session &session) {
  const ListLink<Session> at = session.of_prefix;
  if (at.prev != nullptr) {
    at.prev->of_prefix.next = at.next;
  } else {
    chains_[chain_of(session.id->text())] = at.next;
  }
  if (at.next != nullptr) at.next->of_prefix.prev = at.prev;
  session.of_prefix = {};
  --size_;
}

void PrefixIndex::grow() {
  std::vector<Session *> old(chains_.size() * 2);
  old.swap(chains_);
  for (Session *s : old) {
    while (s != nullptr) {
      Session *const next = s->of_prefix.next;
      link(*s);
      s = next;
    }
  }
}

std::vector<const Session *> PrefixIndex::find(std::string_view prefix, size_t max) const {
  std::vector<const Session *> found;
  if (prefix.size() < kPrefixCharsMin) return found;
  for (const Session *s = chains_[chain_of(prefix)]; s != nullptr; s = s->of_prefix.next) {
    if (s->id->text().starts_with(prefix)) found.push_back(s);
  }
  std::sort(found.begin(), found.end(),
            [](const Session *a, const Session *b) { return *a->id < *b->id; });
  if (found.size() > max) found.resize(max);
  return found;
}

}  // namespace holdfast::sessiond
