// The request parser and writer: any split of the bytes gives the same outcome; what is forwarded
// is read back as the same message, by us and by a careless server.
#include "proxy/http/head_parser.h"
#include "proxy/http/head_writer.h"
#include "tests/fuzz/codec_check.h"
#include "tests/support/codec_feed.h"

using namespace holdfast::proxy::http;
using namespace holdfast::test;

namespace {

void check_splits(std::string_view input, const HeadOutcome &whole) {
  if (input.size() <= kBytewiseBytesMax) {
    HF_REQUIRE(feed_request(input, cut_bytewise(input.size())) == whole);
  }
  std::mt19937 rng = seeded(input);
  HF_REQUIRE(feed_request(input, cut_randomly(input.size(), rng)) == whole);
  HF_REQUIRE(feed_request(input, cut_randomly(input.size(), rng, 700)) == whole);
}

// The head alone, and the head with other bytes behind it, are the same head.
void check_end(std::string_view input, const HeadOutcome &whole) {
  const std::string head(input.substr(0, whole.head_bytes));
  HF_REQUIRE(feed_request(head, cut_whole(head.size())) == whole);
  const std::string followed = head + "GET / HTTP/1.1\r\n";
  HF_REQUIRE(feed_request(followed, cut_whole(followed.size())) == whole);
}

void check_answer(int status) {
  HF_REQUIRE(status == 400 || status == 414 || status == 417 || status == 431 || status == 501 ||
             status == 505);
  HF_REQUIRE(!reason_phrase(status).empty());
}

bool may_be_ours(FieldId id) {
  switch (id) {
    case FieldId::content_length:
    case FieldId::host:
    case FieldId::max_forwards:
    case FieldId::transfer_encoding:
    case FieldId::via:
    case FieldId::x_forwarded_for:
    case FieldId::x_forwarded_host:
    case FieldId::x_forwarded_proto:
    case FieldId::x_real_ip:
      return true;
    default:
      return false;
  }
}

// What is not ours was received, and stands in received order.
void check_fields(const FieldList &received, const FieldList &forwarded) {
  size_t at = 0;
  for (const Field &field : forwarded.all()) {
    HF_REQUIRE(!field.hop_by_hop || field.id == FieldId::transfer_encoding);
    HF_REQUIRE(field.name.find('_') == field.name.npos);
    if (may_be_ours(field.id)) continue;
    while (at < received.size() &&
           (received.all()[at].name != field.name || received.all()[at].value != field.value)) {
      ++at;
    }
    HF_REQUIRE(at < received.size() && !received.all()[at].hop_by_hop);
    ++at;
  }
}

void check_round_trip(const RequestHead &head) {
  RequestForwarding how;
  how.target = head.target;
  how.host = head.host.empty() ? "fallback" : head.host;
  how.framing = head.framing;
  how.client_address = "10.0.0.1";
  how.scheme = "http";
  how.via = "hf";
  std::string written;
  write_request_head(written, head, how);

  // Our own fields come on top: a head at a limit may exceed it now.
  RequestParser parser;
  RequestHead again;
  const HeadState state = parser.parse(written, again);
  if (state != HeadState::complete) {
    HF_REQUIRE(state == HeadState::failed && parser.error().status == 431);
    return;
  }
  HF_REQUIRE(parser.head_bytes() == written.size());
  HF_REQUIRE(again.method == head.method);
  HF_REQUIRE(again.target == head.target);
  HF_REQUIRE(again.host == how.host);
  HF_REQUIRE(again.keep_alive);
  const bool has_body = head.framing.kind != BodyKind::none;
  HF_REQUIRE(again.framing == head.framing || (!has_body && again.framing.length == 0));
  check_fields(head.fields, again.fields);

  const std::vector<LenientField> lenient = read_leniently(written);
  HF_REQUIRE(lenient.size() == again.fields.size());
  HF_REQUIRE(count_leniently(lenient, "host") == 1);
  HF_REQUIRE(count_leniently(lenient, "content-length") +
                 count_leniently(lenient, "transfer-encoding") <=
             1);
  HF_REQUIRE(count_leniently(lenient, "connection") == 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const std::string_view input = as_text(data, size);
  const HeadOutcome whole = feed_request(input, cut_whole(size));
  check_splits(input, whole);
  if (whole.state == HeadState::failed) check_answer(whole.status);
  if (whole.state != HeadState::complete) return 0;
  check_end(input, whole);
  RequestParser parser;
  RequestHead head;
  HF_REQUIRE(parser.parse(input, head) == HeadState::complete);
  check_round_trip(head);
  return 0;
}
