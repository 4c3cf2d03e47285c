// The error log: one escaped line per record, levels, and files that logrotate may move away.
#include "common/log.h"

#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/support/hf_test.h"
#include "tests/support/temp_dir.h"

using namespace holdfast;
using holdfast::test::TempDir;

namespace {

std::string content(const std::string &path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

}  // namespace

HF_TEST(records_below_the_level_are_not_written) {
  const TempDir dir;
  HF_CHECK(log_open(dir.file("log"), LogLevel::warn));
  log_debug("event=a");
  log_info("event=b");
  log_warn("event=c n={}", 1);
  log_error("event=d");
  const std::string text = content(dir.file("log"));
  HF_EQ(text.find("event=a"), std::string::npos);
  HF_EQ(text.find("event=b"), std::string::npos);
  HF_CHECK(text.find("warn event=c n=1\n") != std::string::npos);
  HF_CHECK(text.find("error event=d\n") != std::string::npos);
}

HF_TEST(a_verbatim_line_ends_exactly_as_given) {
  const TempDir dir;
  HF_CHECK(log_open(dir.file("log"), LogLevel::info));
  log_verbatim(R"([SessionManager] skipped persistent sessions {"persistent":1})");
  const std::string text = content(dir.file("log"));
  HF_CHECK(text.ends_with("[SessionManager] skipped persistent sessions {\"persistent\":1}\n"));
  HF_EQ(text.find("info"), std::string::npos);
}

HF_TEST(reopen_writes_to_a_new_file_after_a_rotation) {
  const TempDir dir;
  HF_CHECK(log_open(dir.file("log"), LogLevel::info));
  log_info("event=before");
  std::filesystem::rename(dir.file("log"), dir.file("log.1"));
  log_info("event=moved");
  HF_CHECK(log_reopen());
  log_info("event=after");
  const std::string old_text = content(dir.file("log.1"));
  HF_CHECK(old_text.find("event=before") != std::string::npos);
  HF_CHECK(old_text.find("event=moved") != std::string::npos);
  HF_CHECK(content(dir.file("log")).find("event=after") != std::string::npos);
}

HF_TEST(a_log_that_cannot_be_opened_leaves_the_old_one) {
  const TempDir dir;
  HF_CHECK(log_open(dir.file("log"), LogLevel::info));
  const auto failed = log_open(dir.file("no/such/folder"), LogLevel::debug);
  HF_CHECK(!failed);
  HF_EQ(failed.error().sys_errno, ENOENT);
  log_info("event=still_here");
  log_debug("event=level_unchanged");
  const std::string text = content(dir.file("log"));
  HF_CHECK(text.find("event=still_here") != std::string::npos);
  HF_EQ(text.find("event=level_unchanged"), std::string::npos);
}

// C2: no byte from the network changes the meaning of a log line.
HF_TEST(quoted_values_cannot_forge_a_record_or_a_key) {
  HF_EQ(quoted("plain"), "plain");
  HF_EQ(quoted(""), "\"\"");
  HF_EQ(quoted("two words"), "\"two words\"");
  HF_EQ(quoted("a=b"), "\"a=b\"");
  HF_EQ(quoted("a\nerror event=forged"), "\"a\\x0aerror event=forged\"");
  HF_EQ(quoted("\x1b[31m"), "\"\\x1b[31m\"");
  HF_EQ(quoted("q\"b\\"), "\"q\\\"b\\\\\"");
  HF_EQ(quoted("\xc3\xa4\x7f"), "\"\\xc3\\xa4\\x7f\"");
  HF_EQ(quoted("0123456789", 4), "0123...");
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(records_below_the_level_are_not_written),
      HF_UNIT(a_verbatim_line_ends_exactly_as_given),
      HF_UNIT(reopen_writes_to_a_new_file_after_a_rotation),
      HF_UNIT(a_log_that_cannot_be_opened_leaves_the_old_one),
      HF_UNIT(quoted_values_cannot_forge_a_record_or_a_key),
  };
  const int failed = HF_RUN(tests);
  (void)log_open("stderr", LogLevel::info);  // ignoring: the temporary files are gone
  return failed;
}
