// The Date field's one form, at the places where calendars are wrong.
#include "proxy/http/date.h"

#include "tests/support/hf_test.h"

using namespace holdfast;
using namespace holdfast::proxy::http;

HF_TEST(dates_are_written_as_rfc_9110_has_them) {
  struct Case {
    int64_t unix_ms;
    const char *text;
  };
  const Case cases[] = {
      {784'111'777'000, "Sun, 06 Nov 1994 08:49:37 GMT"},
      {784'111'777'999, "Sun, 06 Nov 1994 08:49:37 GMT"},
      {0, "Thu, 01 Jan 1970 00:00:00 GMT"},
      {-1, "Wed, 31 Dec 1969 23:59:59 GMT"},
      {951'782'399'000, "Mon, 28 Feb 2000 23:59:59 GMT"},
      {951'782'400'000, "Tue, 29 Feb 2000 00:00:00 GMT"},
      {4'107'542'399'000, "Sun, 28 Feb 2100 23:59:59 GMT"},
      {4'107'542'400'000, "Mon, 01 Mar 2100 00:00:00 GMT"},
  };
  for (const Case &c : cases) {
    const std::string text = http_date(WallTime{Millis{c.unix_ms}});
    HF_EQ(text, c.text);
    HF_EQ(text.size(), kDateBytes);
  }
}

int main() {
  const CMUnitTest tests[] = {HF_UNIT(dates_are_written_as_rfc_9110_has_them)};
  return HF_RUN(tests);
}
