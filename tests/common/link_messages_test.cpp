// The link's messages: every example of the protocol document decodes, what we encode decodes to
// the same, and what a peer may get wrong is refused by name.
#include "common/link_messages.h"

#include <fstream>
#include <functional>

#include "common/limits.h"
#include "tests/support/hf_test.h"

using namespace holdfast;
using namespace holdfast::link;

namespace {

Record full_record() {
  Record r;
  r.session = std::string(32, 's');
  r.user = "user \"1\"\n\x7f";
  r.policy = "team";
  r.transport = Transport::sse;
  r.backend = "everything/127.0.0.1:3001";
  r.backend_session = std::string(kBackendSessionBytesMax, '\x01');
  r.age_ms = 1;
  r.target = "/mcp";
  r.idle_ms = kLinkNumberMax;
  r.in_flight = 3;
  r.requests = 4;
  r.streams = 5;
  r.persistent = true;
  r.peer = "::1";
  r.client_name = "ide \xe2\x82\xac";
  r.client_version = "1.0";
  return r;
}

PolicyInfo full_policy() {
  PolicyInfo p;
  p.name = "team";
  p.persistent = true;
  p.timeout_ms = 1000;
  p.max_sessions = 10;
  p.max_sessions_per_user = 2;
  p.max_sessions_per_address = 4;
  p.activity = {"tools/call", "prompts/get"};
  p.stream_keeps_alive = true;
  return p;
}

BackendInfo full_backend() {
  BackendInfo b{"everything", "h:1", false, 1, 2, 3};
  b.state = ServerState::maint;
  b.set_state = ServerState::drain;
  b.weight = 7;
  b.set_weight = 0;
  b.check = "status";
  b.changed_ms = 9;
  b.removed = true;
  return b;
}

// One filled message of every type, in the variant's order.
std::vector<ToSessiond> all_to_sessiond() {
  return {
      Hello{1, "ide-host", "5f0c", 4711, "0.1.0", {"team", ""}},
      SnapshotBegin{},
      Snapshot{full_record()},
      SnapshotEnd{},
      Admit{"id", "-", "", Transport::listen, "127.0.0.1", "ide", "2"},
      Bound{"id", "everything/h:1", "b", "/mcp"},
      Released{"id", ReleaseReason::late},
      Opened{"id", 17, StreamKind::legacy},
      Closed{"id", 17, StreamReason::write_stalled, 5, 512},
      Activity{{{"id", 12, 0, 1}, {"id2", 0, 2, 9}}},
      Alive{"id", 7, 1, 3, true},
      Idle{"id", 4, 60'000},
      Ended{"id", EndReason::client_gone, 9},
      Stats{{{"requests", 5}, {"errors", 0}},
            {full_backend(), {"everything", "h:2", true, 1, 2, 3}}},
      Obeyed{9},
      Reloaded{9, true, "applied\nwith \"quotes\""},
      Pong{3},
      Unsupported{"what"},
      Bye{"shutdown"},
  };
}

std::vector<ToProxy> all_to_proxy() {
  return {
      Welcome{
          1, "0.1.0", {full_policy(), PolicyInfo{}}, {"nope"}, "/run/holdfast/http.sock", 60'000},
      Policies{{full_policy()}, {}, 60'000},
      RestoredBegin{},
      Restored{full_record()},
      RestoredEnd{},
      Siblings{1},
      Admitted{"id", true},
      Refused{"id", RefuseReason::max_sessions_per_user, 30},
      Probe{"id", 4, 1000, EndReason::unused_timeout},
      Release{"id"},
      DropIfIdle{"id", 1000, EndReason::orphan_timeout, true},
      Drop{"id", EndReason::admin, true},
      Set{"id", true},
      SetServer{"everything/h:1", ServerState::drain, 5},
      Acknowledged{"id"},
      Drain{true, true, 7},
      Reload{77},
      Ping{8},
      Unsupported{"what"},
      Bye{"version"},
  };
}

template <class Any, class Decode>
void check_round_trips(const std::vector<Any> &messages, Decode decode) {
  HF_EQ(messages.size(), std::variant_size_v<Any>);
  for (size_t i = 0; i < messages.size(); ++i) {
    HF_EQ(messages[i].index(), i);  // each type is here once
    const std::string line = encode(messages[i]);
    HF_CHECK(line.size() < kLinkLineBytesMax);
    const auto back = decode(line);
    if (!back) HF_FAIL(back.error().message + " in " + line);
    HF_EQ(back->index(), i);
    HF_EQ(encode(*back), line);
  }
}

std::string why_refused(std::string_view line) {
  const auto decoded = decode_to_sessiond(line);
  if (decoded) HF_FAIL("accepted: " + std::string(line));
  HF_EQ(decoded.error().code, Errc::protocol);
  return decoded.error().message;
}

}  // namespace

// The document is the contract: its examples are read from the file itself.
HF_TEST(every_example_line_of_the_protocol_document_decodes) {
  std::ifstream in("common/PROTOCOL.md");
  HF_CHECK(in.is_open());
  size_t examples_count = 0;
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with("> {") && !line.starts_with("< {")) continue;
    ++examples_count;
    const std::string json = line.substr(2);
    const auto up = decode_to_sessiond(json);
    const auto down = decode_to_proxy(json);
    const bool decoded = line[0] == '>' ? bool(up) : bool(down);
    if (!decoded) HF_FAIL((line[0] == '>' ? up.error() : down.error()).message + " in " + line);
    const std::string again = line[0] == '>' ? encode(*up) : encode(*down);
    HF_EQ(again, json);  // the document shows exactly what is sent
  }
  HF_CHECK(examples_count >= 15);
}

HF_TEST(every_message_survives_a_round_trip) {
  check_round_trips(all_to_sessiond(), decode_to_sessiond);
  check_round_trips(all_to_proxy(), decode_to_proxy);
}

HF_TEST(values_arrive_as_they_were_sent) {
  const auto decoded = decode_to_sessiond(encode(Snapshot{full_record()}));
  HF_CHECK(decoded);
  const Record &r = std::get<Snapshot>(*decoded).record;
  const Record want = full_record();
  HF_EQ(r.session, want.session);
  HF_EQ(r.user, want.user);
  HF_EQ(r.transport, want.transport);
  HF_EQ(r.backend_session, want.backend_session);
  HF_EQ(r.idle_ms, want.idle_ms);
  HF_EQ(r.streams, want.streams);
  HF_CHECK(r.persistent);
  HF_EQ(r.client_name, want.client_name);
  const auto welcome =
      decode_to_proxy(encode(Welcome{1, "0.1.0", {full_policy()}, {"x"}, "/run/http.sock"}));
  HF_CHECK(welcome);
  HF_EQ(std::get<Welcome>(*welcome).http_socket, "/run/http.sock");
  const PolicyInfo &p = std::get<Welcome>(*welcome).policies.at(0);
  HF_CHECK(p.max_sessions == 10);
  HF_CHECK(p.activity == full_policy().activity);
  HF_CHECK(p.stream_keeps_alive);
}

HF_TEST(optional_members_may_be_absent_and_are_then_not_sent) {
  const std::string line = encode(Bound{"id", "everything/h:1", "", ""});
  HF_EQ(line, R"({"t":"bound","session":"id","backend":"everything/h:1"})");
  HF_CHECK(decode_to_sessiond(line));
  const std::string policies = encode(Policies{{PolicyInfo{}}, {}});
  HF_EQ(policies.find("max_sessions"), std::string::npos);
}

HF_TEST(unknown_members_are_ignored_and_unknown_types_are_named) {
  HF_CHECK(decode_to_sessiond(R"({"t":"pong","n":1,"later":{"a":[1]}})"));
  HF_CHECK(decode_to_sessiond(R"({"t":"activity","sessions":[["id",1,2,3,"later"]]})"));
  const auto unknown = decode_to_sessiond(R"({"t":"levitate"})");
  HF_CHECK(!unknown);
  HF_EQ(unknown.error().code, Errc::not_found);
  HF_EQ(unknown.error().message, "levitate");
  const auto wrong_way = decode_to_proxy(R"({"t":"pong","n":1})");
  HF_CHECK(!wrong_way);
  HF_EQ(wrong_way.error().code, Errc::not_found);
}

// A newer peer may have more of them: that things ended matters more than why.
HF_TEST(a_reason_with_another_word_reads_as_unknown) {
  const auto from_proxy = [](const char *line) {
    const auto message = decode_to_sessiond(line);
    HF_CHECK(message);
    return *message;
  };
  const auto to_proxy = [](const char *line) {
    const auto message = decode_to_proxy(line);
    HF_CHECK(message);
    return *message;
  };
  const auto ended = from_proxy(R"({"t":"ended","session":"id","reason":"bored","idle_ms":1})");
  HF_CHECK(std::get<Ended>(ended).reason == EndReason::unknown);
  const auto closed = from_proxy(
      R"({"t":"closed","session":"id","stream":1,"reason":"bored","idle_ms":1,"bytes":2})");
  HF_CHECK(std::get<Closed>(closed).reason == StreamReason::unknown);
  const auto released = from_proxy(R"({"t":"released","session":"id","reason":"bored"})");
  HF_CHECK(std::get<Released>(released).reason == ReleaseReason::unknown);
  const auto refused =
      to_proxy(R"({"t":"refused","session":"id","reason":"bored","retry_after_s":1})");
  HF_CHECK(std::get<Refused>(refused).reason == RefuseReason::unknown);
  const auto drop = to_proxy(R"({"t":"drop","session":"id","reason":"bored"})");
  HF_CHECK(std::get<Drop>(drop).reason == EndReason::unknown);
  const auto if_idle =
      to_proxy(R"({"t":"drop_if_idle","session":"id","idle_ms_min":1,"reason":"bored"})");
  HF_CHECK(std::get<DropIfIdle>(if_idle).reason == EndReason::unknown);
}

HF_TEST(a_malformed_line_is_refused_with_the_member_at_fault) {
  HF_EQ(why_refused(R"({"t":"pong"})"), "pong: \"n\" is missing");
  HF_EQ(why_refused(R"({"t":"pong","n":"1"})"), "pong: \"n\" is not an integer");
  HF_EQ(why_refused(R"({"t":"pong","n":1.0})"), "pong: \"n\" is not an integer");
  HF_EQ(why_refused(R"({"t":"pong","n":-1})"), "pong: \"n\" is out of range");
  HF_EQ(why_refused(R"({"t":"pong","n":9007199254740993})"), "pong: \"n\" is out of range");
  HF_EQ(why_refused(R"({"t":"opened","session":"id","stream":1,"kind":"carrier pigeon"})"),
        "opened: \"kind\" is not one of its words");
  HF_EQ(why_refused(R"({"t":"ended","session":"id","reason":1,"idle_ms":1})"),
        "ended: \"reason\" is not a string");
  HF_EQ(why_refused(R"({"t":"ended","session":"","reason":"admin","idle_ms":1})"),
        "ended: \"session\" is empty");
  HF_EQ(why_refused(R"({"t":"reloaded","token":1,"ok":1,"message":""})"),
        "reloaded: \"ok\" is not true or false");
  HF_EQ(why_refused(R"({"t":"activity","sessions":[["id",1]]})"),
        "activity: \"sessions\" has an entry that is not [id, idle_ms, in_flight, requests]");
  HF_EQ(why_refused(R"({"t":"stats","counters":[],"backends":[]})"),
        "stats: \"counters\" is not an object");
  HF_EQ(why_refused(R"({"t":"stats","counters":{"a":"b"},"backends":[]})"),
        "stats: \"counters\" has a malformed member");
  HF_EQ(why_refused(R"({"t":"stats","counters":{},"backends":[{}]})"),
        "stats: \"backends\" has a malformed entry");
  HF_EQ(why_refused(R"({"n":1})"), "\"t\" is missing or not a string");
  HF_EQ(why_refused(R"([1])"), "not a JSON object");
  HF_CHECK(!why_refused("garbage").empty());
  HF_CHECK(!why_refused("").empty());
}

HF_TEST(texts_and_lists_over_their_bounds_are_refused) {
  const auto admit = [](size_t id_bytes, size_t user_bytes) {
    return R"({"t":"admit","session":")" + std::string(id_bytes, 'i') + R"(","user":")" +
           std::string(user_bytes, 'u') +
           R"(","policy":"","transport":"sse","peer":"","client_name":"","client_version":""})";
  };
  HF_CHECK(decode_to_sessiond(admit(kSessionIdBytesMax, kUserBytesMax)));
  HF_EQ(why_refused(admit(kSessionIdBytesMax + 1, 1)), "admit: \"session\" is too long");
  HF_EQ(why_refused(admit(1, kUserBytesMax + 1)), "admit: \"user\" is too long");
  std::string entries;
  for (size_t i = 0; i < kActivityPerLineMax; ++i) entries += R"(["i",1,1,1],)";
  HF_CHECK(decode_to_sessiond(R"({"t":"activity","sessions":[)" +
                              entries.substr(0, entries.size() - 1) + "]}"));
  HF_EQ(why_refused(R"({"t":"activity","sessions":[)" + entries + R"(["i",1,1,1]]})"),
        "activity: \"sessions\" has too many entries");
}

// Whatever bytes a client chose, the line we send must not make our own peer hang up.
HF_TEST(the_encoder_brings_everything_within_the_decoders_bounds) {
  Record r = full_record();
  r.user = std::string(1000, '\xff');
  r.client_name = std::string(10'000, '\xfe');
  r.client_version = "\xed\xa0\x80";
  r.backend_session = std::string(100'000, '"');
  r.idle_ms = -5;
  r.age_ms = INT64_MAX;
  const std::string line = encode(Snapshot{r});
  HF_CHECK(line.size() < kLinkLineBytesMax);
  const auto decoded = decode_to_sessiond(line);
  if (!decoded) HF_FAIL(decoded.error().message);
  const Record &back = std::get<Snapshot>(*decoded).record;
  HF_EQ(back.idle_ms, 0);
  HF_EQ(back.age_ms, kLinkNumberMax);
  HF_CHECK(back.client_name.size() <= kClientNameBytesMax);
  Activity many;
  many.sessions.resize(kActivityPerLineMax + 1, ActivityEntry{std::string(32, 'a'), 1, 1, 1});
  HF_CHECK(decode_to_sessiond(encode(many)));
}

// A full line of the most frequent message stays below the line bound.
HF_TEST(five_hundred_activity_entries_fit_into_a_line) {
  Activity full;
  full.sessions.resize(kActivityPerLineMax, ActivityEntry{std::string(32, 'a'), kLinkNumberMax,
                                                          1'000'000, 1'000'000'000});
  HF_CHECK(encode(full).size() < kLinkLineBytesMax);
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(every_example_line_of_the_protocol_document_decodes),
      HF_UNIT(every_message_survives_a_round_trip),
      HF_UNIT(values_arrive_as_they_were_sent),
      HF_UNIT(optional_members_may_be_absent_and_are_then_not_sent),
      HF_UNIT(unknown_members_are_ignored_and_unknown_types_are_named),
      HF_UNIT(a_reason_with_another_word_reads_as_unknown),
      HF_UNIT(a_malformed_line_is_refused_with_the_member_at_fault),
      HF_UNIT(texts_and_lists_over_their_bounds_are_refused),
      HF_UNIT(the_encoder_brings_everything_within_the_decoders_bounds),
      HF_UNIT(five_hundred_activity_entries_fit_into_a_line),
  };
  return HF_RUN(tests);
}
