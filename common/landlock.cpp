#include "common/landlock.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>

#include "common/unique_fd.h"

namespace holdfast {
namespace {

// The C library has no wrappers, and the headers of Debian 12 end at ABI 2: numbers and layouts are
// the kernel's (include/uapi/linux/landlock.h), the same on every architecture.
constexpr long kCreateRuleset = 444;
constexpr long kAddRule = 445;
constexpr long kRestrictSelf = 446;
constexpr uint32_t kVersionFlag = 1;
constexpr int kRulePathBeneath = 1;

struct RulesetAttr {
  uint64_t handled_access_fs;
  uint64_t handled_access_net;  // from ABI 4
  uint64_t scoped;              // from ABI 6
};
struct [[gnu::packed]] PathBeneathAttr {
  uint64_t allowed_access;
  int32_t parent_fd;
};

constexpr uint64_t kWriteFile = 1 << 1;
constexpr uint64_t kReadFile = 1 << 2;
constexpr uint64_t kReadDir = 1 << 3;
constexpr uint64_t kRemoveFile = 1 << 5;
constexpr uint64_t kMakeReg = 1 << 8;
constexpr uint64_t kFirstRights = (1 << 13) - 1;  // execute … make_sym: all that ABI 1 knows
constexpr uint64_t kRefer = 1 << 13;              // ABI 2
constexpr uint64_t kTruncate = 1 << 14;           // ABI 3
constexpr uint64_t kIoctlDevice = 1 << 15;        // ABI 5
constexpr uint64_t kBindTcp = 1;
constexpr uint64_t kConnectTcp = 2;
constexpr uint64_t kScopeAbstractSockets = 1;
constexpr uint64_t kScopeSignals = 2;

// Rights on what is not a folder; others are refused with EINVAL there.
constexpr uint64_t kRightsOfFiles = kWriteFile | kReadFile | kTruncate | kIoctlDevice;

Error failed(const std::string &what) {
  const int saved = errno;
  return Error{Errc::io, saved, what + ": " + std::strerror(saved)};
}

uint64_t known_file_rights(int abi) {
  return kFirstRights | (abi >= 2 ? kRefer : 0) | (abi >= 3 ? kTruncate : 0) |
         (abi >= 5 ? kIoctlDevice : 0);
}

uint64_t rights_of(FileGrant::Use use) {
  switch (use) {
    case FileGrant::Use::read:
      return kReadFile | kReadDir;
    case FileGrant::Use::append:
      return kWriteFile | kMakeReg;
    case FileGrant::Use::remove:
      return kRemoveFile;
  }
  return 0;
}

Result<void> grant(int ruleset, const FileGrant &what) {
  const UniqueFd fd(::open(what.path.c_str(), O_PATH | O_CLOEXEC));
  if (!fd) return {};  // not there, or nothing we could open later either
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return failed("cannot look at " + what.path);
  PathBeneathAttr rule{rights_of(what.use), fd.get()};
  if (!S_ISDIR(info.st_mode)) rule.allowed_access &= kRightsOfFiles;
  if (rule.allowed_access == 0) return {};
  if (::syscall(kAddRule, ruleset, kRulePathBeneath, &rule, 0) != 0)
    return failed("cannot grant " + what.path);
  return {};
}

}  // namespace

int landlock_abi() noexcept {
  const long abi = ::syscall(kCreateRuleset, nullptr, 0, kVersionFlag);
  return abi > 0 ? static_cast<int>(abi) : 0;
}

Result<void> enter_landlock(const LandlockPlan &plan) {
  const int abi = landlock_abi();
  if (abi == 0) return Error{Errc::io, ENOSYS, "this kernel has no landlock"};
  RulesetAttr attr{known_file_rights(abi), 0, 0};
  if (abi >= 4) attr.handled_access_net = plan.connects_tcp ? kBindTcp : kBindTcp | kConnectTcp;
  if (abi >= 6) attr.scoped = kScopeAbstractSockets | kScopeSignals;
  // An older kernel knows a shorter layout and takes the rest only where it is zero, which it is.
  const UniqueFd ruleset(static_cast<int>(::syscall(kCreateRuleset, &attr, sizeof attr, 0)));
  if (!ruleset) return failed("cannot make a landlock ruleset");
  for (const FileGrant &file : plan.files) {
    if (auto granted = grant(ruleset.get(), file); !granted) return granted;
  }
  if (::syscall(kRestrictSelf, ruleset.get(), 0) != 0) return failed("cannot enter landlock");
  return {};
}

}  // namespace holdfast
