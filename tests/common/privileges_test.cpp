// Giving up root for good, and what remains of it with the sandbox alone. Each in a process of its
// own; skipped when the tests do not run as root.
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <string>

#include "common/daemon.h"
#include "common/sandbox.h"
#include "tests/support/forked.h"
#include "tests/support/hf_test.h"

using namespace holdfast;
using namespace holdfast::test;

namespace {

// One field of /proc/self/status, without the blanks around.
std::string own_status(const std::string &field) {
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);) {
    if (line.rfind(field + ":", 0) != 0) continue;
    return line.substr(line.find_first_not_of(" \t", field.size() + 1));
  }
  return "?";
}

constexpr const char *kNoCapability = "0000000000000000";
constexpr const char *kDacOverrideOnly = "0000000000000002";

}  // namespace

HF_TEST(a_dropped_user_has_no_way_back) {
  in_a_fork([] {
    const passwd *nobody = getpwnam("nobody");
    HF_CHECK(nobody != nullptr);
    const auto uid = nobody->pw_uid;
    const auto gid = nobody->pw_gid;
    const Result<void> dropped = drop_privileges({"nobody", ""});
    if (!dropped) HF_FAIL(dropped.error().message);
    uid_t uids[3];
    gid_t gids[3];
    HF_EQ(getresuid(&uids[0], &uids[1], &uids[2]), 0);
    HF_EQ(getresgid(&gids[0], &gids[1], &gids[2]), 0);
    for (int i = 0; i < 3; ++i) HF_CHECK(uids[i] == uid && gids[i] == gid);
    gid_t groups[8];
    HF_EQ(getgroups(8, groups), 1);
    HF_EQ(groups[0], gid);
    HF_CHECK(setuid(0) == -1 && seteuid(0) == -1 && setgid(0) == -1);
    HF_CHECK(setgroups(0, nullptr) == -1);
    HF_EQ(own_status("CapEff"), kNoCapability);
    HF_EQ(own_status("CapPrm"), kNoCapability);
    HF_EQ(own_status("NoNewPrivs"), "1");
    HF_EQ(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), 0);
  });
}

HF_TEST(a_group_of_its_own_replaces_the_users) {
  in_a_fork([] {
    HF_CHECK(drop_privileges({"nobody", "daemon"}));
    HF_EQ(getgid(), getgrnam("daemon")->gr_gid);
    HF_CHECK(setgid(getpwnam("nobody")->pw_gid) == -1);
  });
}

HF_TEST(an_unknown_user_or_group_is_an_error_and_changes_nothing) {
  in_a_fork([] {
    HF_EQ(drop_privileges({"no-such-user", ""}).error().code, Errc::not_found);
    HF_EQ(drop_privileges({"nobody", "no-such-group"}).error().code, Errc::not_found);
    HF_EQ(getuid(), uid_t{0});
  });
}

HF_TEST(a_hardened_process_leaves_no_core_and_no_open_files_to_others) {
  in_a_fork([] {
    harden_process();
    rlimit core{1, 1};
    HF_EQ(getrlimit(RLIMIT_CORE, &core), 0);
    HF_CHECK(core.rlim_cur == 0 && core.rlim_max == 0);
    HF_EQ(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), 0);
    HF_EQ(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
    HF_EQ(umask(0), mode_t{077});
  });
}

HF_TEST(root_in_the_sandbox_keeps_its_files_and_nothing_else) {
  in_a_fork([] {
    const int abi = landlock_abi();  // asked before the filter: it does not let through such calls
    HF_CHECK(drop_privileges({}));
    const SandboxState state = enter_sandbox({FilterFor::serving, {}});
    HF_CHECK(state.seccomp);
    HF_EQ(state.landlock_abi, abi);
    HF_EQ(state.missing.empty(), abi > 0);
    HF_EQ(open("/etc/passwd", O_RDONLY) >= 0, abi == 0);
    HF_CHECK(setuid(1) == -1);
  });
}

HF_TEST(root_in_the_sandbox_has_one_capability_left) {
  in_a_fork([] {
    SandboxPlan plan;
    plan.landlock.files.push_back({"/proc", FileGrant::Use::read});
    (void)enter_sandbox(plan);
    HF_EQ(own_status("CapEff"), kDacOverrideOnly);
    HF_EQ(own_status("CapPrm"), kDacOverrideOnly);
    HF_EQ(own_status("Seccomp"), "2");
  });
}

HF_TEST(the_words_for_the_log_say_what_is_active) {
  SandboxState state;
  HF_EQ(state.words(), "seccomp=off landlock=off");
  state.seccomp = true;
  state.landlock_abi = 5;
  HF_EQ(state.words(), "seccomp=on landlock=abi5");
  state.missing = {"a", "b"};
  HF_EQ(state.missing_text(), "a; b");
  HF_EQ(sandbox_notice("holdfast-proxy", false), "holdfast-proxy: sandbox off\n");
  HF_CHECK(sandbox_notice("x", true).rfind("x: sandbox on, seccomp=on", 0) == 0);
}

int main() {
  if (geteuid() != 0) {
    (void)std::puts("skipped: not root");
    return 77;
  }
  const CMUnitTest tests[] = {
      HF_UNIT(a_dropped_user_has_no_way_back),
      HF_UNIT(a_group_of_its_own_replaces_the_users),
      HF_UNIT(an_unknown_user_or_group_is_an_error_and_changes_nothing),
      HF_UNIT(a_hardened_process_leaves_no_core_and_no_open_files_to_others),
      HF_UNIT(root_in_the_sandbox_keeps_its_files_and_nothing_else),
      HF_UNIT(root_in_the_sandbox_has_one_capability_left),
      HF_UNIT(the_words_for_the_log_say_what_is_active),
  };
  return HF_RUN(tests);
}
