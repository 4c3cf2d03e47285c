#include "sessiond/core/text_pool.h"

namespace holdfast::sessiond {

const TextPool::Entry *TextPool::take(std::string_view text) {
  if (text.empty()) return &empty_;
  auto at = texts_.find(text);
  if (at == texts_.end()) at = texts_.insert(Entry{std::string(text)}).first;
  ++at->holders_count;
  return &*at;
}

void TextPool::release(const Entry *entry) {
  if (entry == nullptr || entry == &empty_) return;
  if (--entry->holders_count == 0) texts_.erase(texts_.find(*entry));
}

}  // namespace holdfast::sessiond
