// The access log: the three formats, no byte of a peer that means anything, ids as handles only,
// and no line lost when the files are opened anew.
#include "proxy/access_log.h"

#include <sys/stat.h>
#include <time.h>

#include <algorithm>
#include <filesystem>

#include "tests/support/hf_test.h"
#include "tests/support/temp_dir.h"

using namespace holdfast;
using namespace holdfast::proxy;
using holdfast::test::TempDir;
using Format = AccessLog::Format;

namespace {

constexpr std::string_view kId = "abcdefghijklmnopqrstuvwxyz012345";
constexpr WallTime kWhen{Millis{1'700'000'000'123}};  // 2023-11-14 22:13:20.123 UTC

AccessRecord call_record() {
  AccessRecord record;
  record.event = "request";
  record.remote_addr = "192.0.2.7";
  record.user = "alice";
  record.session = kId;
  record.transport = "streamable";
  record.request_line = "POST /mcp HTTP/1.1";
  record.referrer = "http://ide.example/";
  record.agent = "client/1.0";
  record.rpc_method = "tools/call";
  record.tool = "search";
  record.rpc_id = "7";
  record.upstream = "127.0.0.1:3001";
  record.status = 200;
  record.body_bytes = 1234;
  record.duration = Millis{1042};
  record.time = kWhen;
  return record;
}

// What the master's opening and the child's taking come to.
void open_for(LogFiles &files, const std::string &path) {
  Result<UniqueFd> fd = LogFiles::open(path);
  HF_CHECK(fd);
  files.take(path, std::move(*fd));
}

std::string line_of(Format format, const AccessRecord &record) {
  const TempDir dir;
  LogFiles files;
  open_for(files, dir.file("access.log"));
  AccessWriter writer(files, {dir.file("access.log"), format});
  writer.write(record);
  writer.flush();
  return dir.read("access.log");
}

size_t lines_in(std::string_view text) {
  return static_cast<size_t>(std::count(text.begin(), text.end(), '\n'));
}

bool has(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

}  // namespace

// ---- formats ----

HF_TEST(combined_is_the_line_every_tool_reads) {
  HF_EQ(line_of(Format::combined, call_record()),
        "192.0.2.7 - alice [14/Nov/2023:22:13:20 +0000] \"POST /mcp HTTP/1.1\" 200 1234 "
        "\"http://ide.example/\" \"client/1.0\"\n");
}

HF_TEST(mcp_adds_what_the_request_was_to_its_session) {
  HF_EQ(line_of(Format::mcp, call_record()),
        "192.0.2.7 - alice [14/Nov/2023:22:13:20 +0000] \"POST /mcp HTTP/1.1\" 200 1234 "
        "\"http://ide.example/\" \"client/1.0\" request abcdefgh tools/call search "
        "127.0.0.1:3001 1.042\n");
}

HF_TEST(json_is_one_object_a_line) {
  HF_EQ(line_of(Format::json, call_record()),
        R"({"time":"2023-11-14T22:13:20.123Z","event":"request","remote_addr":"192.0.2.7",)"
        R"("user":"alice","session":"abcdefgh","transport":"streamable",)"
        R"("request":"POST /mcp HTTP/1.1","mcp_method":"tools/call","mcp_tool":"search",)"
        R"("rpc_id":"7","upstream":"127.0.0.1:3001","user_agent":"client/1.0",)"
        R"("status":200,"bytes_out":1234,"duration_s":1.042})"
        "\n");
}

HF_TEST(what_is_not_known_is_a_dash_or_left_out) {
  AccessRecord bare;
  bare.event = "request";
  bare.remote_addr = "::1";
  bare.request_line = "GET / HTTP/1.0";
  bare.status = 404;
  bare.time = kWhen;
  HF_EQ(line_of(Format::mcp, bare),
        "::1 - - [14/Nov/2023:22:13:20 +0000] \"GET / HTTP/1.0\" 404 0 \"-\" \"-\" "
        "request - - - - 0.000\n");
  HF_EQ(line_of(Format::json, bare),
        R"({"time":"2023-11-14T22:13:20.123Z","event":"request","remote_addr":"::1",)"
        R"("request":"GET / HTTP/1.0","status":404,"bytes_out":0,"duration_s":0.000})"
        "\n");
}

// ---- what a peer chose ----

HF_TEST(a_session_id_is_shortened_in_every_format) {
  for (const Format format : {Format::combined, Format::mcp, Format::json}) {
    HF_CHECK(!has(line_of(format, call_record()), kId.substr(0, 9)));
  }
}

HF_TEST(quotes_backslashes_and_control_bytes_are_escaped) {
  AccessRecord record = call_record();
  record.agent = "a\"b\\c\nd\x7f\xc3\xa9";
  record.referrer = "\" 200 0 \"-\" \"forged\"\n192.0.2.8";
  const std::string line = line_of(Format::combined, record);
  HF_EQ(lines_in(line), size_t{1});
  HF_CHECK(has(line, R"("a\x22b\x5Cc\x0Ad\x7F\xC3\xA9")"));
  HF_CHECK(has(line, R"("\x22 200 0 \x22-\x22 \x22forged\x22\x0A192.0.2.8")"));
}

HF_TEST(no_value_can_write_a_column_of_its_own) {
  AccessRecord record = call_record();
  record.user = "alice [fake] 9";
  record.rpc_method = "tools/call forged";
  record.tool = "search 10.0.0.1:80 0.000";
  const std::string line = line_of(Format::mcp, record);
  HF_CHECK(has(line, R"( - alice\x20[fake]\x209 [14/Nov)"));
  HF_CHECK(has(line, R"( tools/call\x20forged search\x2010.0.0.1:80\x200.000 127.0.0.1:3001 )"));
  const std::string usual = line_of(Format::mcp, call_record());
  HF_EQ(std::count(line.begin(), line.end(), ' '), std::count(usual.begin(), usual.end(), ' '));
}

HF_TEST(a_json_line_stays_one_object_whatever_a_peer_sent) {
  AccessRecord record = call_record();
  record.tool = "x\",\"user\":\"root";
  record.agent = "\\\n\xff";
  const std::string line = line_of(Format::json, record);
  HF_EQ(lines_in(line), size_t{1});
  HF_CHECK(has(line, R"("mcp_tool":"x\",\"user\":\"root")"));
  HF_CHECK(has(line, R"("user_agent":"\\\u000a\u00ff")"));
}

// ---- files ----

HF_TEST(lines_wait_in_the_buffer_until_it_is_flushed_or_full) {
  const TempDir dir;
  LogFiles files;
  open_for(files, dir.file("a.log"));
  AccessWriter writer(files, {dir.file("a.log"), Format::combined});
  writer.write(call_record());
  HF_EQ(dir.read("a.log"), "");
  size_t written = 1;
  for (; dir.read("a.log").empty() && written < 1000; ++written) writer.write(call_record());
  HF_CHECK(written < 1000);  // a full buffer does not wait for the second to pass
  writer.flush();
  HF_EQ(lines_in(dir.read("a.log")), written);
}

HF_TEST(two_writers_of_one_path_append_to_the_same_file) {
  const TempDir dir;
  LogFiles files;
  open_for(files, dir.file("a.log"));
  AccessWriter first(files, {dir.file("a.log"), Format::combined});
  AccessWriter second(files, {dir.file("a.log"), Format::json});
  first.write(call_record());
  second.write(call_record());
  first.flush();
  second.flush();
  HF_EQ(lines_in(dir.read("a.log")), size_t{2});
}

HF_TEST(reopening_after_a_rotation_loses_no_line) {
  const TempDir dir;
  LogFiles files;
  open_for(files, dir.file("a.log"));
  AccessWriter writer(files, {dir.file("a.log"), Format::combined});
  writer.write(call_record());
  writer.flush();
  const int before = files.descriptor(dir.file("a.log"));
  writer.write(call_record());  // still buffered when the file is moved away
  std::filesystem::rename(dir.file("a.log"), dir.file("a.log.1"));
  open_for(files, dir.file("a.log"));
  HF_EQ(files.descriptor(dir.file("a.log")), before);  // a worker may hold the number meanwhile
  writer.write(call_record());
  writer.flush();
  HF_EQ(lines_in(dir.read("a.log.1")), size_t{1});
  HF_EQ(lines_in(dir.read("a.log")), size_t{2});
}

HF_TEST(a_file_that_cannot_be_opened_costs_its_lines_until_it_can_be) {
  const TempDir dir;
  LogFiles files;
  AccessWriter writer(files, {dir.file("later/a.log"), Format::combined});
  writer.write(call_record());
  writer.flush();
  const Result<UniqueFd> missing = LogFiles::open(dir.file("later/a.log"));
  HF_CHECK(!missing && missing.error().message.find("later/a.log") != std::string::npos);
  HF_EQ(files.descriptor(dir.file("later/a.log")), -1);
  HF_EQ(mkdir(dir.file("later").c_str(), 0700), 0);
  open_for(files, dir.file("later/a.log"));
  writer.write(call_record());
  writer.flush();
  HF_EQ(lines_in(dir.read("later/a.log")), size_t{1});
}

int main() {
  (void)setenv("TZ", "UTC", 1);
  tzset();
  const CMUnitTest tests[] = {
      HF_UNIT(combined_is_the_line_every_tool_reads),
      HF_UNIT(mcp_adds_what_the_request_was_to_its_session),
      HF_UNIT(json_is_one_object_a_line),
      HF_UNIT(what_is_not_known_is_a_dash_or_left_out),
      HF_UNIT(a_session_id_is_shortened_in_every_format),
      HF_UNIT(quotes_backslashes_and_control_bytes_are_escaped),
      HF_UNIT(no_value_can_write_a_column_of_its_own),
      HF_UNIT(a_json_line_stays_one_object_whatever_a_peer_sent),
      HF_UNIT(lines_wait_in_the_buffer_until_it_is_flushed_or_full),
      HF_UNIT(two_writers_of_one_path_append_to_the_same_file),
      HF_UNIT(reopening_after_a_rotation_loses_no_line),
      HF_UNIT(a_file_that_cannot_be_opened_costs_its_lines_until_it_can_be),
  };
  return HF_RUN(tests);
}
