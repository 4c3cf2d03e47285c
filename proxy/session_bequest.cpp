#include "proxy/session_bequest.h"

#include <variant>
#include <vector>

#include "common/link_messages.h"
#include "common/log.h"

namespace holdfast::proxy {

std::string SessionBequest::all() const {
  std::string lines;
  std::vector<std::string> ids;
  for (size_t cursor = 0; cursor != SessionRegistry::kEnd;) {
    ids.clear();
    cursor = registry_.ids(cursor, ids);
    for (const std::string &id : ids) lines += one(id);
  }
  for (const link::Record &record : guests_.all()) write(record, lines);
  return lines;
}

std::string SessionBequest::one(const std::string &session) const {
  std::string line;
  const auto record = registry_.record(session, backends_);
  const bool told = record && (record->transport == Transport::sse ||
                               (record->transport == Transport::streamable && !sessiond_));
  if (told) write(*record, line);
  return line;
}

void SessionBequest::write(const link::Record &record, std::string &out) const {
  out += link::encode(link::ToProxy(link::Restored{record}));
  out += '\n';
}

void SessionBequest::take(std::string_view lines,
                          const std::function<void(const ExchangeRef &)> &came) {
  size_t taken = 0;
  size_t left_out = 0;
  for (size_t end = 0; (end = lines.find('\n')) != std::string_view::npos;
       lines.remove_prefix(end + 1)) {
    const auto message = link::decode_to_proxy(lines.substr(0, end));
    const auto *const told = message ? std::get_if<link::Restored>(&*message) : nullptr;
    const auto backend = told != nullptr ? backends_.find(told->record.backend) : std::nullopt;
    if (!backend) {  // not configured any more
      ++left_out;
      continue;
    }
    ++taken;
    if (told->record.transport == Transport::sse) {
      guests_.add(told->record, *backend);
      continue;
    }
    std::vector<ExchangeRef> waiting;
    (void)registry_.restore(told->record, *backend, &waiting);  // ignoring: known, or another's
    for (const ExchangeRef &exchange : waiting) came(exchange);
  }
  if (taken + left_out > 0)
    log_info("event=sessions_inherited sessions={} without_backend={}", taken, left_out);
}

}  // namespace holdfast::proxy
