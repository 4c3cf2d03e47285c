// Why a session is as it is: which rule made it persistent or not and where that rule was written,
// when it will end by itself or what keeps it from ending; of one that is over, why, how and when.
// Each answer is a list of facts that text and JSON are made from. Pure; the core's thread.
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/json_writer.h"
#include "sessiond/config.h"
#include "sessiond/core/step.h"

namespace holdfast::sessiond {

// Durations are shown as "1h30m" to people and as `KEY_ms` to machines.
struct Fact {
  std::string_view key;
  std::variant<std::string, bool, Millis> value;
  bool foreign = false;  // a peer chose the text: it must not forge lines
};
using Facts = std::vector<Fact>;

// `config` is what the core's settings were made from: it knows where each one stands.
Facts explain(const Session &session, const Config &config, const Core &core, MonoTime now);
// `id` is the ended session's; whole ids are never shown.
Facts explain(std::string_view id, const Tombstone &grave, const Core &core, MonoTime now);

std::string facts_text(const Facts &facts);  // "key: value" lines
void write_facts(JsonWriter &w, const Facts &facts);

}  // namespace holdfast::sessiond
