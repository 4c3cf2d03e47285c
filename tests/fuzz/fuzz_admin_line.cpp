// Fuzzes the admin socket's line: splitting never fails badly, what was split can be written so
// that it splits to the same, and every command line gets exactly one answer from a real core.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "common/admin_line.h"
#include "common/limits.h"
#include "common/log.h"
#include "sessiond/admin_commands.h"
#include "tests/support/fake_service.h"

namespace {

using holdfast::AdminWords;

std::string written(const std::vector<AdminWords> &commands) {
  std::string line;
  for (const AdminWords &words : commands) {
    for (const std::string &word : words) line += holdfast::admin_word(word) + " ";
    line += ";";
  }
  return line;
}

bool sendable(const std::vector<AdminWords> &commands) {
  for (const AdminWords &words : commands) {
    for (const std::string &word : words) {
      if (!holdfast::is_admin_word_possible(word)) return false;  // a quoted tab
    }
  }
  return true;
}

holdfast::test::FakeService &service() {
  static holdfast::test::FakeService made = [] {
    (void)holdfast::log_open("/dev/null", holdfast::LogLevel::error);  // ignoring: only noise
    return holdfast::test::FakeService();
  }();
  return made;
}

// An answer never contains an empty line, which would end it too early, and errors stay one line.
void check_answer(const AdminWords &words) {
  int answers_count = 0;
  const auto reply = [&answers_count](holdfast::sessiond::AdminAnswer answer) {
    ++answers_count;
    std::string text = std::move(answer.text);
    while (answer.more && answer.more(text)) {
    }
    if (text.find("\n\n") != std::string::npos || text.starts_with('\n')) std::abort();
    if (!text.empty() && !text.ends_with('\n')) std::abort();
    if (text.starts_with("error: ") && text.find('\n') != text.size() - 1) std::abort();
  };
  holdfast::sessiond::run_admin_command(service(), {}, words, reply);
  holdfast::sessiond::run_admin_command(service(), {holdfast::sessiond::AdminLevel::admin, 0, 1},
                                        words, reply);
  if (answers_count != 2) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size >= holdfast::kAdminLineBytesMax) return 0;  // the line codec refuses it before
  const std::string_view line(static_cast<const char *>(static_cast<const void *>(data)), size);
  const auto commands = holdfast::split_admin_line(line);
  if (!commands) return 0;
  if (sendable(*commands)) {
    const auto again = holdfast::split_admin_line(written(*commands));
    if (!again || *again != *commands) std::abort();
  }
  for (const AdminWords &words : *commands) check_answer(words);
  return 0;
}
