// The pure questions about versions and media types that tell the transports apart.
#include "proxy/mcp/era.h"

#include "tests/support/hf_test.h"

using holdfast::proxy::mcp::accepts;
using holdfast::proxy::mcp::content_type_is;
using holdfast::proxy::mcp::is_modern_version;

// Dates from 2026-07-28 on are modern; what is no date is not.
HF_TEST(modern_versions_are_dates_from_2026_07_28_on) {
  for (const char *version :
       {"2026-07-28", "2026-07-29", "2026-08-01", "2027-01-01", "2099-01-01"}) {
    if (!is_modern_version(version)) HF_FAIL(version);
  }
  for (const char *version :
       {"", "2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-27", "2026-07-2",
        "2026-07-280", " 2026-07-28", "2026-07-28 ", "2026/07/28", "2026-07 28", "9999999999",
        "DRAFT-2026-v1", "2026-07-2x", "x026-07-28", "2026-0:-28", "20260728--"}) {
    if (is_modern_version(version)) HF_FAIL(version);
  }
}

struct Case {
  const char *value;
  const char *type;
  bool expected;
};

// Exact types, type/* and */* admit; q=0 refuses; the closest range decides.
HF_TEST(accept_values) {
  static const Case kCases[] = {
      {"text/event-stream", "text/event-stream", true},
      {"application/json, text/event-stream", "text/event-stream", true},
      {"application/json, text/event-stream", "application/json", true},
      {"application/json,text/event-stream", "text/html", false},
      {"TEXT/Event-Stream", "text/event-stream", true},
      {"*/*", "text/event-stream", true},
      {"text/*", "text/event-stream", true},
      {"Text/*", "text/event-stream", true},
      {"text/*", "application/json", false},
      {"*", "text/event-stream", false},
      {"text", "text/event-stream", false},
      {"tex/*", "text/event-stream", false},
      {"text/event-streams", "text/event-stream", false},
      {"text/event", "text/event-stream", false},
      {"", "text/event-stream", false},
      {" ", "text/event-stream", false},
      {",,", "text/event-stream", false},
      {", ,text/event-stream ,", "text/event-stream", true},
      {"\ttext/event-stream\t;q=0.5", "text/event-stream", true},
      {"text/event-stream;q=0", "text/event-stream", false},
      {"text/event-stream ; Q=0.000", "text/event-stream", false},
      {"text/event-stream;q=0.", "text/event-stream", false},
      {"text/event-stream;q=0.001", "text/event-stream", true},
      {"text/event-stream;q=1", "text/event-stream", true},
      {"text/event-stream;charset=utf-8;q=0", "text/event-stream", false},
      {"text/event-stream;x=\"a;q=0,b\"", "text/event-stream", true},
      {"text/event-stream;x=\"\\\";q=0\"", "text/event-stream", true},
      {"a/b;x=\"text/event-stream, text/event-stream", "text/event-stream", false},
      {"a/b;x=\"\\", "text/event-stream", false},
      {"text/event-stream;qq=0", "text/event-stream", true},
      {"text/event-stream;q", "text/event-stream", true},
      {"text/event-stream;q=0, */*", "text/event-stream", false},
      {"*/*, text/event-stream;q=0", "text/event-stream", false},
      {"*/*;q=0, text/event-stream", "text/event-stream", true},
      {"text/*;q=0, */*", "text/event-stream", false},
      {"text/*;q=0, */*", "application/json", true},
      {"text/event-stream;q=0, text/event-stream", "text/event-stream", true},
      {"text/event-stream, text/event-stream;q=0", "text/event-stream", true},
      {"a/b;x=\"\\\"\", text/event-stream", "text/event-stream", true},
  };
  for (const Case &c : kCases) {
    if (accepts(c.value, c.type) != c.expected) HF_FAIL(c.value);
  }
}

// Parameters and case do not matter, anything else does.
HF_TEST(content_types) {
  static const Case kCases[] = {
      {"application/json", "application/json", true},
      {"Application/JSON", "application/json", true},
      {"application/json; charset=utf-8", "application/json", true},
      {" application/json\t;charset=utf-8", "application/json", true},
      {"text/event-stream;charset=utf-8", "text/event-stream", true},
      {"application/json-rpc", "application/json", false},
      {"application/jso", "application/json", false},
      {"application/json, text/plain", "application/json", false},
      {"text/plain; application/json", "application/json", false},
      {"", "application/json", false},
      {";application/json", "application/json", false},
  };
  for (const Case &c : kCases) {
    if (content_type_is(c.value, c.type) != c.expected) HF_FAIL(c.value);
  }
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(modern_versions_are_dates_from_2026_07_28_on),
      HF_UNIT(accept_values),
      HF_UNIT(content_types),
  };
  return HF_RUN(tests);
}
