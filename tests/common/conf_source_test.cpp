// What the system answered is recorded whole, and a bundle of it answers the same without the
// system.
#include "common/conf_source.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tests/support/hf_test.h"

using namespace holdfast;

namespace {

class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "hf-source-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) HF_FAIL("mkdtemp");
    path_ = name;
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder &) = delete;
  Folder &operator=(const Folder &) = delete;
  std::string path(const std::string &name) const { return (path_ / name).string(); }
  void write(const std::string &name, const std::string &text) const {
    std::ofstream(path_ / name) << text;
  }

 private:
  std::filesystem::path path_;
};

}  // namespace

HF_TEST(a_bundle_answers_as_the_system_did) {
  const Folder folder;
  folder.write("b.conf", std::string("x\0y:1,2;", 8));
  folder.write("a.conf", "");
  (void)::setenv("HF_TEST_SET", "value", 1);  // ignoring: checked through the source
  (void)::unsetenv("HF_TEST_UNSET");          // ignoring: ditto
  ConfBundle bundle;
  bundle.request = {"/c/proxy.conf", "proxy.conf", "/c", "pid x;", "/e.log"};
  LiveConfSource live(&bundle);
  const auto text = live.read_file(folder.path("b.conf"));
  const auto paths = live.glob(folder.path("*.conf"));
  HF_CHECK(*paths == (std::vector<std::string>{folder.path("a.conf"), folder.path("b.conf")}));
  HF_CHECK(live.glob(folder.path("none*"))->empty());
  HF_CHECK(live.glob(folder.path("nowhere/*.conf"))->empty());
  HF_EQ(*live.environment("HF_TEST_SET"), std::string("value"));
  HF_CHECK(!live.environment("HF_TEST_UNSET"));
  const auto addresses = live.resolve("localhost", 80);
  HF_CHECK(addresses && !addresses->empty());
  HF_EQ(*live.user_id("root"), uid_t{0});

  const auto received = ConfBundle::parse(bundle.serialise());
  HF_CHECK(bool(received));
  HF_EQ(received->request.path, bundle.request.path);
  HF_EQ(received->request.shown_path, bundle.request.shown_path);
  HF_EQ(received->request.base_dir, bundle.request.base_dir);
  HF_EQ(received->request.directives, bundle.request.directives);
  HF_EQ(received->request.error_log, bundle.request.error_log);
  std::filesystem::remove(folder.path("b.conf"));
  BundleConfSource source(*received);
  HF_EQ(*source.read_file(folder.path("b.conf")), *text);
  HF_CHECK(*source.glob(folder.path("*.conf")) == *paths);
  HF_CHECK(source.glob(folder.path("none*"))->empty());
  HF_EQ(*source.environment("HF_TEST_SET"), std::string("value"));
  HF_CHECK(!source.environment("HF_TEST_UNSET"));
  HF_CHECK(*source.resolve("localhost", 80) == *addresses);
  HF_EQ(*source.user_id("root"), uid_t{0});
}

HF_TEST(a_bundle_knows_nothing_it_was_not_given) {
  const ConfBundle bundle;
  BundleConfSource source(bundle);
  HF_CHECK(!source.read_file("/etc/passwd"));
  HF_CHECK(!source.glob("/etc/*"));
  HF_CHECK(!source.environment("PATH"));
  HF_CHECK(!source.resolve("localhost", 80));
  HF_CHECK(!source.user_id("root"));
}

HF_TEST(a_damaged_bundle_is_refused_whole) {
  ConfBundle bundle;
  bundle.request.path = "/p";
  bundle.record(ConfBundle::Kind::file, "/p", {"text"});
  const std::string good = bundle.serialise();
  HF_CHECK(bool(ConfBundle::parse(good)));
  for (size_t size = 0; size < good.size(); ++size)
    HF_CHECK(!ConfBundle::parse(good.substr(0, size)));
  HF_CHECK(!ConfBundle::parse(good + "x"));
  HF_CHECK(!ConfBundle::parse("holdfast-conf 2\n"));
  HF_CHECK(!ConfBundle::parse("holdfast-conf 1\n0:,0:,0:,0:,0:,18446744073709551615;"));
  HF_CHECK(!ConfBundle::parse("holdfast-conf 1\n0:,0:,0:,0:,0:,1;7;0:,0;"));
}

HF_TEST(files_are_whole_regular_and_bounded) {
  const Folder folder;
  LiveConfSource source;
  HF_EQ(source.read_file(folder.path("none")).error().sys_errno, ENOENT);
  HF_EQ(source.read_file(folder.path("none")).error().message,
        "open() \"" + folder.path("none") + "\" failed (No such file or directory)");
  HF_EQ(source.read_file(folder.path("")).error().sys_errno, EISDIR);
  folder.write("big", std::string(kConfFileBytesMax, 'x'));
  HF_EQ(source.read_file(folder.path("big"))->size(), kConfFileBytesMax);
  folder.write("big", std::string(kConfFileBytesMax + 1, 'x'));
  HF_CHECK(source.read_file(folder.path("big")).error().code == Errc::limit);
}

HF_TEST(a_name_nobody_knows_is_not_found) {
  LiveConfSource source;
  HF_CHECK(source.resolve("name.invalid", 80).error().code == Errc::not_found);
  HF_CHECK(source.user_id("hf-nobody-of-that-name").error().code == Errc::not_found);
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(a_bundle_answers_as_the_system_did), HF_UNIT(a_bundle_knows_nothing_it_was_not_given),
      HF_UNIT(a_damaged_bundle_is_refused_whole),  HF_UNIT(files_are_whole_regular_and_bounded),
      HF_UNIT(a_name_nobody_knows_is_not_found),
  };
  return HF_RUN(tests);
}
