// A JSON text as an event: whatever way it is cut, a reader of the event gets the text back.
#include "proxy/mcp/message_event.h"

#include <string>
#include <vector>

#include "proxy/mcp/sse_scanner.h"
#include "tests/support/hf_test.h"

using namespace holdfast::proxy::mcp;

namespace {

// What an event stream's reader makes of it: the data lines of its events, joined with LF.
class Reader final : public SseSink {
 public:
  void on_sse_data(std::string_view piece) override { data.append(piece); }
  void on_sse_event(const SseEvent &event, size_t) override { names.emplace_back(event.name); }

  std::string data;
  std::vector<std::string> names;
};

std::string wrap(std::string_view json, size_t step) {
  MessageEvent event;
  std::string out(MessageEvent::kBegin);
  for (size_t at = 0; at < json.size(); at += step) {
    std::string_view rest = json.substr(at, step);
    while (!rest.empty()) out.append(event.next(rest));
  }
  return out.append(MessageEvent::kEnd);
}

std::string read_back(std::string_view json, size_t step) {
  Reader reader;
  SseScanner scanner;
  scanner.feed(wrap(json, step), reader);
  HF_EQ(reader.names.size(), 1U);
  HF_EQ(reader.names.front(), "message");
  HF_CHECK(scanner.between_events());
  return reader.data;
}

}  // namespace

HF_TEST(a_json_text_reads_back_byte_for_byte_however_it_comes) {
  for (const std::string_view json :
       {R"({"id":1,"result":{}})", "{\n  \"id\": 1,\n  \"result\": {}\n}\n", "[\n\n1]", "\n{}",
        "{}"}) {
    for (size_t step = 1; step <= json.size(); ++step) HF_EQ(read_back(json, step), json);
  }
}

HF_TEST(other_line_ends_read_back_as_lf) {
  for (size_t step = 1; step <= 6; ++step) {
    HF_EQ(read_back("{\r\n1\r2}", step), "{\n1\n2}");
    HF_EQ(read_back("{\r\r\n}\r", step), "{\n\n}\n");
  }
}

HF_TEST(a_text_without_line_breaks_is_not_copied) {
  const std::string json = R"({"id":1})";
  std::string_view rest = json;
  MessageEvent event;
  HF_CHECK(event.next(rest).data() == json.data());
  HF_CHECK(rest.empty());
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(a_json_text_reads_back_byte_for_byte_however_it_comes),
      HF_UNIT(other_line_ends_read_back_as_lf),
      HF_UNIT(a_text_without_line_breaks_is_not_copied),
  };
  return HF_RUN(tests);
}
