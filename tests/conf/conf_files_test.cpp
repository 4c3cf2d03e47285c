// Configuration files as people write them: those of ok/, conf/ and conf/examples/ are read without
// an error, and what -T prints of them reads as the same again; those of bad/ give exactly the
// diagnostics written beside them. NAME.proxy.conf is for the proxy, NAME.sessiond.conf for
// sessiond.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "common/conf_dump.h"
#include "proxy/config.h"
#include "sessiond/config.h"
#include "tests/support/hf_test.h"
#include "tests/support/memory_conf_source.h"

using namespace holdfast;
namespace fs = std::filesystem;

namespace {

std::string slurp(const fs::path &path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) HF_FAIL("cannot read " + path.string());
  return std::string((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
}

// Without libjwt no file that asks for verified tokens is good.
#ifdef HOLDFAST_HAS_JWT
constexpr bool kHasJwt = true;
#else
constexpr bool kHasJwt = false;
#endif

// The repository as if it stood at /repository, so that no path depends on where it was checked
// out; no environment, no names, no .env of this machine.
constexpr std::string_view kRoot = "/repository/";

class RepositorySource : public test::MemoryConfSource {
 public:
  RepositorySource() { users["root"] = 0; }
  Result<std::string> read_file(const std::string &path) override {
    const std::string real = path.substr(0, kRoot.size()) == kRoot ? path.substr(kRoot.size()) : "";
    if (!real.empty() && fs::exists(real)) return slurp(real);
    return MemoryConfSource::read_file(path);
  }
  Result<std::vector<std::string>> glob(const std::string &pattern) override {
    auto found = LiveConfSource().glob(pattern.substr(kRoot.size()));
    if (!found) return found;
    for (std::string &path : *found) path.insert(0, kRoot);
    return found;
  }
};

// The same, but one file is another text.
class DumpSource : public RepositorySource {
 public:
  DumpSource(std::string path, std::string dump) : path_(std::move(path)), dump_(std::move(dump)) {}
  Result<std::string> read_file(const std::string &path) override {
    if (path == path_) return dump_;
    if (path.ends_with(".pem")) return RepositorySource::read_file(path);
    return Error{Errc::io, ENOENT, "the dump reads \"" + path + "\" again"};
  }

 private:
  std::string path_;
  std::string dump_;
};

struct Outcome {
  bool ok = false;
  std::string findings;
  std::string dump;
};

bool is_proxy(const fs::path &path) {
  const std::string name = path.filename().string();
  return name == "proxy.conf" || name.find(".proxy.conf") != std::string::npos;
}

Outcome outcome_of(const ConfTree &tree, const ConfReport &report, bool ok) {
  return {ok, report.text(tree.files, "t"), dump_conf(tree, false)};
}

std::string virtual_path(const fs::path &path) { return std::string(kRoot) + path.string(); }

// `base_dir` is the folder of the file, but for tests/conf, whose ok/ and bad/ share parts/.
Outcome load(const fs::path &path, const fs::path &base_dir, ConfSource &source) {
  ConfRequest request;
  request.path = virtual_path(path);
  request.shown_path = path.filename().string();
  request.base_dir = virtual_path(base_dir);
  if (is_proxy(path)) {
    const auto loaded = proxy::load_config(request, source);
    return outcome_of(loaded.tree, loaded.report, loaded.config != nullptr);
  }
  const auto loaded = sessiond::load_config(request, source);
  return outcome_of(loaded.tree, loaded.report, loaded.config != nullptr);
}

std::vector<fs::path> files_in(const fs::path &folder, const std::string &extension) {
  std::vector<fs::path> files;
  for (const auto &entry : fs::directory_iterator(folder)) {
    if (!entry.is_regular_file() || entry.path().extension() != extension) continue;
    if (kHasJwt || entry.path().filename().string().find("jwt") == std::string::npos)
      files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

// Reads without a finding, and so does what -T prints, in place of the file.
void check_good(const fs::path &path, const fs::path &base_dir) {
  RepositorySource source;
  const Outcome outcome = load(path, base_dir, source);
  if (!outcome.ok || !outcome.findings.empty()) HF_FAIL(path.string() + "\n" + outcome.findings);
  DumpSource again(virtual_path(path), outcome.dump);
  const Outcome second = load(path, base_dir, again);
  if (!second.ok) HF_FAIL("dump of " + path.string() + "\n" + second.findings);
}

}  // namespace

HF_TEST(good_files_are_read_and_their_dump_reads_as_well) {
  const auto files = files_in("tests/conf/ok", ".conf");
  HF_CHECK(files.size() >= 5);
  for (const fs::path &path : files) check_good(path, "tests/conf");
}

HF_TEST(the_shipped_files_and_every_example_are_good) {
  check_good("conf/proxy.conf", "conf");
  check_good("conf/sessiond.conf", "conf");
  const auto examples = files_in("conf/examples", ".conf");
  HF_CHECK(examples.size() >= 4);
  for (const fs::path &path : examples) check_good(path, "conf/examples");
}

HF_TEST(bad_files_give_the_diagnostics_beside_them) {
  const auto files = files_in("tests/conf/bad", ".conf");
  HF_CHECK(files.size() >= 10);
  for (const fs::path &path : files) {
    RepositorySource source;
    const Outcome outcome = load(path, "tests/conf", source);
    const std::string &text = outcome.findings;
    const fs::path expected = fs::path(path).replace_extension(".expected");
    HF_CHECK(!outcome.ok);
    if (text != slurp(expected)) HF_FAIL(expected.string() + " should be:\n" + text);
  }
}

HF_TEST(every_expectation_belongs_to_a_file) {
  for (fs::path path : files_in("tests/conf/bad", ".expected")) {
    HF_CHECK(fs::exists(path.replace_extension(".conf")));
  }
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(good_files_are_read_and_their_dump_reads_as_well),
      HF_UNIT(the_shipped_files_and_every_example_are_good),
      HF_UNIT(bad_files_give_the_diagnostics_beside_them),
      HF_UNIT(every_expectation_belongs_to_a_file),
  };
  return HF_RUN(tests);
}
