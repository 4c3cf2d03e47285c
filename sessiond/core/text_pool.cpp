#include "sessiond/core/text_pool.h"

namespace holdfast::sessiond {

const TextPool::Entry *TextPool::take(std::string_view text) {
  auto at = texts_.find(text);
  if (at == texts_.end()) at = texts_.emplace(std::string(text), 0).first;
  ++at->second;
  return &*at;
}

void TextPool::release(const Entry *entry) {
  if (entry == nullptr) return;
  const auto at = texts_.find(entry->first);
  if (--at->second == 0) texts_.erase(at);
}

}  // namespace holdfast::sessiond
