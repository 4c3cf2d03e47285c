// Logs travel from the master to its child: each path's lines go to the file the master opened,
// also after a rotation, also many; one that cannot be opened takes nobody with it.
#include "proxy/log_handover.h"

#include <unistd.h>

#include <filesystem>

#include "common/log.h"
#include "common/log_file.h"
#include "tests/support/hf_test.h"
#include "tests/support/temp_dir.h"

using namespace holdfast;
using namespace holdfast::proxy;
using holdfast::test::TempDir;

namespace {

struct Processes {
  std::pair<UniqueFd, UniqueFd> channel = *make_master_channel();
  LogFiles childs;

  void hand_over(const Config &config, Logs which) {
    HF_CHECK(hand_over_logs(channel.first.get(), config, which));
    for (;;) {
      Result<std::optional<MasterMessage>> got = receive_message(channel.second.get());
      HF_CHECK(got);
      if (!*got) return;
      HF_CHECK((*got)->word == MasterWord::logs);
      take_logs(**got, childs);
    }
  }
  void write(const std::string &path, const std::string &text) const {
    HF_EQ(::write(childs.descriptor(path), text.data(), text.size()),
          static_cast<ssize_t>(text.size()));
  }
};

Config with_logs(std::initializer_list<std::string> paths) {
  Config config;
  for (const std::string &path : paths)
    config.access_logs.push_back({path, AccessLog::Format::combined});
  return config;
}

}  // namespace

HF_TEST(each_path_gets_its_own_file_once) {
  const TempDir dir;
  Processes both;
  Config config = with_logs({dir.file("a"), dir.file("b"), dir.file("a")});
  config.access_logs.back().format = AccessLog::Format::json;
  both.hand_over(config, Logs::access);
  both.write(dir.file("a"), "to a");
  both.write(dir.file("b"), "to b");
  HF_EQ(dir.read("a"), "to a");
  HF_EQ(dir.read("b"), "to b");
}

HF_TEST(after_a_rotation_lines_go_to_the_new_file_under_the_same_number) {
  const TempDir dir;
  Processes both;
  const Config config = with_logs({dir.file("a")});
  both.hand_over(config, Logs::access);
  const int number = both.childs.descriptor(dir.file("a"));
  both.write(dir.file("a"), "old");
  std::filesystem::rename(dir.file("a"), dir.file("a.1"));
  both.hand_over(config, Logs::all);
  HF_EQ(both.childs.descriptor(dir.file("a")), number);
  both.write(dir.file("a"), "new");
  HF_EQ(dir.read("a.1"), "old");
  HF_EQ(dir.read("a"), "new");
}

HF_TEST(the_error_log_goes_along_when_all_are_asked_for) {
  const TempDir dir;
  Processes both;
  HF_CHECK(log_open(dir.file("error.log"), LogLevel::info));
  const int before = log_descriptor();
  both.hand_over(with_logs({}), Logs::access);
  HF_EQ(log_descriptor(), before);
  both.hand_over(with_logs({dir.file("a")}), Logs::all);
  HF_CHECK(log_descriptor() != before && log_descriptor() != STDERR_FILENO);
  log_info("event=after_handover");
  HF_CHECK(dir.read("error.log").find("event=after_handover") != std::string::npos);
  HF_CHECK(log_open("stderr", LogLevel::info));
}

HF_TEST(a_log_that_cannot_be_opened_takes_nobody_with_it) {
  const TempDir dir;
  Processes both;
  HF_CHECK(log_open(dir.file("error.log"), LogLevel::info));
  both.hand_over(with_logs({dir.file("missing/a"), dir.file("b")}), Logs::access);
  HF_CHECK(log_open("stderr", LogLevel::info));
  HF_EQ(both.childs.descriptor(dir.file("missing/a")), -1);
  both.write(dir.file("b"), "x");
  HF_CHECK(dir.read("error.log").find("event=access_log_failed") != std::string::npos);
}

HF_TEST(more_logs_than_one_message_carries_all_arrive) {
  const TempDir dir;
  Processes both;
  Config config;
  for (size_t i = 0; i < kMasterFdsMax + 50; ++i)
    config.access_logs.push_back({dir.file("log" + std::to_string(i)), {}});
  both.hand_over(config, Logs::access);
  for (const AccessLog &log : config.access_logs) HF_CHECK(both.childs.descriptor(log.path) >= 0);
}

HF_TEST(a_child_that_is_gone_is_an_error) {
  const TempDir dir;
  Processes both;
  both.channel.second.reset();
  HF_CHECK(!hand_over_logs(both.channel.first.get(), with_logs({dir.file("a")}), Logs::access));
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(each_path_gets_its_own_file_once),
      HF_UNIT(after_a_rotation_lines_go_to_the_new_file_under_the_same_number),
      HF_UNIT(the_error_log_goes_along_when_all_are_asked_for),
      HF_UNIT(a_log_that_cannot_be_opened_takes_nobody_with_it),
      HF_UNIT(more_logs_than_one_message_carries_all_arrive),
      HF_UNIT(a_child_that_is_gone_is_an_error),
  };
  return HF_RUN(tests);
}
