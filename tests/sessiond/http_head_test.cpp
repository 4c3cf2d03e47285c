// The check before libevhtp: only what the proxy writes passes; each rule has a head that breaks
// it.
#include "sessiond/http_head.h"

#include <string>

#include "tests/support/hf_test.h"

using namespace holdfast::sessiond;

namespace {

std::string head(std::string_view request_line, std::string_view fields = "Host: h\r\n") {
  return std::string(request_line) + "\r\n" + std::string(fields) + "\r\n";
}

int refusal(const std::string &text) {
  HF_EQ(http_head_bytes(text), text.size());
  return check_http_head(text).refusal;
}

}  // namespace

HF_TEST(what_the_proxy_writes_passes) {
  HF_EQ(refusal(head("GET /health HTTP/1.1")), 0);
  HF_EQ(refusal(head("HEAD /status.json?filter=a%20b HTTP/1.1",
                     "Host: localhost\r\nX-Holdfast-Users: 1\r\nConnection: close\r\n")),
        0);
  const std::string post = head("POST /api/drain HTTP/1.1", "Host: h\r\ncontent-length: 12\r\n");
  HF_EQ(check_http_head(post).refusal, 0);
  HF_EQ(check_http_head(post).body_bytes, size_t{12});
}

HF_TEST(request_lines_are_taken_literally) {
  for (const char *line :
       {"GET /health HTTP/1.0", "GET /health HTTP/1.1 ", "GET  /health HTTP/1.1", "GET /health",
        "GET", "", " GET /health HTTP/1.1", "GET http://h/health HTTP/1.1", "GET * HTTP/1.1",
        "GET /a b HTTP/1.1", "GET /a\tb HTTP/1.1", "GET /\x80 HTTP/1.1", "GET /a#b HTTP/1.1",
        "GET /health HTTP/2.0", "GET /health\n HTTP/1.1", "GET\t/health HTTP/1.1"}) {
    HF_EQ(check_http_head(head(line)).refusal, 400);
  }
  HF_EQ(refusal(head("BREW /pot HTTP/1.1")), 501);
  HF_EQ(refusal(head("get /health HTTP/1.1")), 501);
}

HF_TEST(fields_are_taken_literally) {
  for (const char *fields : {"",
                             "Host:\r\n",
                             "Host: a\r\nHost: b\r\n",
                             "Host: a\r\nNo colon\r\n",
                             "Host: a\r\n folded\r\n",
                             "Host: a\r\nName : v\r\n",
                             "Host: a\r\n: v\r\n",
                             "Host: a\r\nN: a\nb\r\n",
                             "Host: a\r\nN: a\rb\r\n",
                             "Host: a\r\nN: \x01\r\n",
                             "Host: a\r\nN: \x7f\r\n",
                             "Host: a\r\nN: \xc3\xa4\r\n",
                             "Host: a\r\nTransfer-Encoding: chunked\r\n",
                             "Host: a\r\nExpect: 100-continue\r\n",
                             "Host: a\r\nUpgrade: h2c\r\n",
                             "Host: a\r\nTrailer: X\r\n",
                             "Host: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n",
                             "Host: a\r\nContent-Length: +1\r\n",
                             "Host: a\r\nContent-Length: 1,1\r\n",
                             "Host: a\r\nContent-Length: 0x1\r\n",
                             "Host: a\r\nContent-Length: \r\n",
                             "Host: a\r\nContent-Length: 99999999999999999999\r\n"}) {
    HF_EQ(check_http_head(head("GET / HTTP/1.1", fields)).refusal, 400);
  }
  const std::string nul = head("GET / HTTP/1.1", std::string_view("Host: a\r\nN: a\0b\r\n", 17));
  HF_EQ(check_http_head(nul).refusal, 400);
}

HF_TEST(bounds_are_reached_and_kept) {
  HF_EQ(refusal(head("POST / HTTP/1.1", "Host: a\r\nContent-Length: 65536\r\n")), 0);
  HF_EQ(refusal(head("POST / HTTP/1.1", "Host: a\r\nContent-Length: 65537\r\n")), 413);
  std::string fields = "Host: a\r\n";
  for (size_t i = 1; i < kHttpFieldsMax; ++i) fields += "N: v\r\n";
  HF_EQ(refusal(head("GET / HTTP/1.1", fields)), 0);
  HF_EQ(refusal(head("GET / HTTP/1.1", fields + "N: v\r\n")), 431);
  const std::string line = "GET /" + std::string(kHttpHeadBytesMax, 'a') + " HTTP/1.1";
  HF_EQ(refusal(head(line)), 431);
}

HF_TEST(a_head_is_judged_only_when_complete) {
  const std::string whole = head("GET /health HTTP/1.1");
  for (size_t i = 0; i < whole.size(); ++i) HF_EQ(http_head_bytes(whole.substr(0, i)), size_t{0});
  HF_EQ(http_head_bytes(whole + "body"), whole.size());
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(what_the_proxy_writes_passes),        HF_UNIT(request_lines_are_taken_literally),
      HF_UNIT(fields_are_taken_literally),          HF_UNIT(bounds_are_reached_and_kept),
      HF_UNIT(a_head_is_judged_only_when_complete),
  };
  return HF_RUN(tests);
}
