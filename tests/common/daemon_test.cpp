// The pid file: one holder at a time, told apart from a stale one, and never removed for another.
#include "common/daemon.h"

#include <unistd.h>

#include "tests/support/hf_test.h"
#include "tests/support/temp_dir.h"

using namespace holdfast;
using holdfast::test::TempDir;

HF_TEST(a_pid_file_names_its_process_and_goes_with_it) {
  const TempDir dir;
  {
    const auto held = PidFile::create(dir.file("d.pid"));
    HF_CHECK(held);
    HF_EQ(dir.read("d.pid"), std::to_string(getpid()) + "\n");
    const auto found = read_pid_file(dir.file("d.pid"));
    HF_CHECK(found);
    HF_EQ(*found, getpid());
  }
  HF_CHECK(access(dir.file("d.pid").c_str(), F_OK) != 0);
}

HF_TEST(a_held_pid_file_is_busy_for_everybody_else) {
  const TempDir dir;
  const auto held = PidFile::create(dir.file("d.pid"));
  HF_CHECK(held);
  const auto second = PidFile::create(dir.file("d.pid"));
  HF_CHECK(!second);
  HF_EQ(second.error().code, Errc::busy);
  HF_CHECK(second.error().message.find(dir.file("d.pid")) != std::string::npos);
  HF_EQ(dir.read("d.pid"), std::to_string(getpid()) + "\n");  // and still the first one's
}

HF_TEST(a_pid_file_nobody_holds_names_no_process) {
  const TempDir dir;
  HF_EQ(read_pid_file(dir.file("none.pid")).error().code, Errc::not_found);
  (void)dir.write("stale.pid", std::to_string(getpid()) + "\n");
  HF_EQ(read_pid_file(dir.file("stale.pid")).error().code, Errc::not_found);
  HF_CHECK(PidFile::create(dir.file("stale.pid")));  // a new holder takes it over
}

HF_TEST(a_file_another_daemon_made_at_the_same_path_is_left_alone) {
  const TempDir dir;
  auto first = PidFile::create(dir.file("d.pid"));
  HF_CHECK(first);
  HF_EQ(unlink(dir.file("d.pid").c_str()), 0);
  const auto second = PidFile::create(dir.file("d.pid"));
  HF_CHECK(second);
  (*first).reset();
  HF_EQ(dir.read("d.pid"), std::to_string(getpid()) + "\n");
}

HF_TEST(a_pid_file_changes_hands_without_being_free_for_a_moment) {
  const TempDir dir;
  auto first = PidFile::create(dir.file("d.pid"));
  HF_CHECK(first);
  (void)dir.write("d.pid", "the first one's number, and longer than ours\n");
  auto second = PidFile::inherit(dir.file("d.pid"), UniqueFd(::dup((*first)->fd())));
  HF_CHECK(second);
  HF_EQ(dir.read("d.pid"), std::to_string(getpid()) + "\n");
  (*first)->leave_to_other();
  (*first).reset();
  HF_EQ(PidFile::create(dir.file("d.pid")).error().code, Errc::busy);
  HF_EQ(*read_pid_file(dir.file("d.pid")), getpid());
  (*second).reset();
  HF_CHECK(access(dir.file("d.pid").c_str(), F_OK) != 0);
}

HF_TEST(a_pid_file_makes_its_folder_but_not_a_whole_path) {
  const TempDir dir;
  HF_CHECK(PidFile::create(dir.file("run/d.pid")));
  const auto made = PidFile::create(dir.file("missing/run/d.pid"));
  HF_CHECK(!made);
  HF_EQ(made.error().code, Errc::io);
  HF_CHECK(made.error().message.find("missing/run") != std::string::npos);
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(a_pid_file_names_its_process_and_goes_with_it),
      HF_UNIT(a_held_pid_file_is_busy_for_everybody_else),
      HF_UNIT(a_pid_file_nobody_holds_names_no_process),
      HF_UNIT(a_file_another_daemon_made_at_the_same_path_is_left_alone),
      HF_UNIT(a_pid_file_changes_hands_without_being_free_for_a_moment),
      HF_UNIT(a_pid_file_makes_its_folder_but_not_a_whole_path),
  };
  return HF_RUN(tests);
}
