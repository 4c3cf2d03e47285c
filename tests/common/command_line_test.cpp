// The daemons' letters, and which file and base folder follow from them.
#include "common/command_line.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tests/support/hf_test.h"

using namespace holdfast;

namespace {

Result<CommandLine> parse(std::vector<std::string> words) {
  words.insert(words.begin(), "holdfast-proxy");
  std::vector<char *> argv;
  for (std::string &word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  return parse_command_line(static_cast<int>(words.size()), argv.data());
}

CommandLine line_of(std::vector<std::string> words) {
  auto line = parse(std::move(words));
  if (!line) HF_FAIL(line.error().message);
  return *line;
}

std::string complaint(std::vector<std::string> words) {
  const auto line = parse(std::move(words));
  return line ? "" : line.error().message;
}

// A folder that goes when the test ends; the working directory is back where it was.
class Folder {
 public:
  Folder() : before_(std::filesystem::current_path()) {
    std::string name = (std::filesystem::temp_directory_path() / "hf-conf-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) HF_FAIL("mkdtemp");
    path_ = name;
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::current_path(before_, ignored);
    std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder &) = delete;
  Folder &operator=(const Folder &) = delete;

  std::string path(const std::string &name = "") const {
    return (path_ / name).lexically_normal().string();
  }
  void write(const std::string &name) const {
    std::filesystem::create_directories((path_ / name).parent_path());
    std::ofstream(path_ / name) << "pid x;\n";
  }

 private:
  std::filesystem::path before_;
  std::filesystem::path path_;
};

}  // namespace

HF_TEST(the_letters_are_nginx_letters) {
  const CommandLine line =
      line_of({"-tq", "-c", "a.conf", "-p/pre", "-e", "e.log", "-g", "pid x;"});
  HF_CHECK(line.test && line.quiet && !line.dump && !line.signal && !line.help);
  HF_EQ(line.conf_path, std::string("a.conf"));
  HF_EQ(line.prefix, std::string("/pre"));
  HF_EQ(line.error_log, std::string("e.log"));
  HF_EQ(line.directives, std::string("pid x;"));
  HF_CHECK(line_of({"-T", "--show-secrets"}).dump && line_of({"-T"}).test);
  HF_CHECK(line_of({"--show-secrets"}).show_secrets);
  HF_CHECK(line_of({"-v"}).version && line_of({"--version"}).version && line_of({"-V"}).build_info);
  HF_CHECK(line_of({"-h"}).help && line_of({"--help"}).help && line_of({"-?"}).help &&
           line_of({"-t?"}).help);
}

HF_TEST(signals_are_words) {
  for (const DaemonSignal signal : {DaemonSignal::stop, DaemonSignal::quit, DaemonSignal::reopen,
                                    DaemonSignal::reload, DaemonSignal::upgrade}) {
    HF_CHECK(*line_of({"-s", std::string(to_word(signal))}).signal == signal);
  }
  HF_EQ(complaint({"-s", "relaod"}),
        std::string("invalid option: \"-s relaod\"; did you mean \"reload\"? (stop, quit, reopen, "
                    "reload, upgrade)"));
}

HF_TEST(what_is_no_option_is_named) {
  HF_EQ(complaint({"-x"}), std::string("invalid option: \"x\""));
  HF_EQ(complaint({"-tx"}), std::string("invalid option: \"x\""));
  HF_EQ(complaint({"--what"}), std::string("invalid option: \"--what\""));
  HF_EQ(complaint({"word"}), std::string("invalid option: \"word\""));
  HF_EQ(complaint({"-t", "word", "-q"}), std::string("invalid option: \"word\""));
  HF_EQ(complaint({"-c"}), std::string("option \"-c\" requires file name"));
  HF_EQ(complaint({"-c", ""}), std::string("option \"-c\" requires file name"));
  HF_EQ(complaint({"-s"}),
        std::string("option \"-s\" requires stop, quit, reopen, reload or upgrade"));
}

HF_TEST(relative_paths_begin_at_the_folder_of_the_file) {
  const Folder folder;
  folder.write("sub/a.conf");
  std::filesystem::current_path(folder.path());
  const auto request = make_conf_request(line_of({"-c", "sub/a.conf"}), "proxy.conf");
  HF_EQ(request->path, folder.path("sub/a.conf"));
  HF_EQ(request->shown_path, std::string("sub/a.conf"));
  HF_EQ(request->base_dir, folder.path("sub"));
  HF_EQ(request->resolve("run/x"), folder.path("sub/run/x"));
  HF_EQ(request->resolve("../x"), folder.path("x"));
  HF_EQ(request->resolve("/x"), std::string("/x"));
}

HF_TEST(a_prefix_moves_the_file_and_everything_in_it) {
  const Folder folder;
  folder.write("pre/a.conf");
  folder.write("pre/proxy.conf");
  std::filesystem::current_path(folder.path());
  for (const char *prefix : {"pre", "pre/"}) {
    const auto named =
        make_conf_request(line_of({"-p", prefix, "-c", "a.conf", "-e", "e.log"}), "proxy.conf");
    HF_EQ(named->path, folder.path("pre/a.conf"));
    HF_EQ(named->base_dir, folder.path("pre"));
    HF_EQ(named->error_log, folder.path("pre/e.log"));
    HF_EQ(make_conf_request(line_of({"-p", prefix}), "proxy.conf")->path,
          folder.path("pre/proxy.conf"));
  }
  const auto absolute =
      make_conf_request(line_of({"-p", "/pre", "-c", folder.path("pre/a.conf")}), "proxy.conf");
  HF_EQ(absolute->path, folder.path("pre/a.conf"));
  HF_EQ(absolute->base_dir, std::string("/pre"));
  HF_EQ(make_conf_request(line_of({"-c", "a", "-e", "stderr"}), "x")->error_log,
        std::string("stderr"));
}

HF_TEST(without_c_the_file_is_looked_for_and_the_places_are_told) {
  const Folder folder;
  std::filesystem::current_path(folder.path());
  const auto missing = make_conf_request(line_of({}), "hf-test-nowhere.conf");
  HF_CHECK(!missing);
  HF_CHECK(missing.error().message.find("conf/hf-test-nowhere.conf, hf-test-nowhere.conf") !=
           std::string::npos);
  HF_CHECK(missing.error().message.find("/etc/holdfast/hf-test-nowhere.conf") != std::string::npos);
  folder.write("hf-test-nowhere.conf");
  HF_EQ(make_conf_request(line_of({}), "hf-test-nowhere.conf")->base_dir,
        folder.path("").substr(0, folder.path("").size() - 1));
  folder.write("conf/hf-test-nowhere.conf");
  HF_EQ(make_conf_request(line_of({}), "hf-test-nowhere.conf")->base_dir, folder.path("conf"));
}

HF_TEST(help_and_versions_name_what_people_ask_for) {
  const std::string help = help_text("holdfast-proxy", "proxy.conf");
  for (const char *letter :
       {"-?,-h", "-v ", "-V ", "-t ", "-T ", "-q ", "-s signal", "-p prefix", "-e filename",
        "-c filename", "-g directives", "--show-secrets", "proxy.conf"}) {
    if (help.find(letter) == std::string::npos) HF_FAIL(letter);
  }
  HF_EQ(version_text("holdfast-proxy"),
        "holdfast-proxy version: holdfast/" + std::string(holdfast_version()) + "\n");
  const LibraryVersion libraries[] = {{"libevent", "2.1.12", "2.1.13"}, {"jansson", "2.14", ""}};
  const std::string info = build_info_text("holdfast-proxy", libraries);
  HF_CHECK(info.find("with libevent 2.1.12 (running 2.1.13)\n") != std::string::npos);
  HF_CHECK(info.find("with jansson 2.14\n") != std::string::npos);
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(the_letters_are_nginx_letters),
      HF_UNIT(signals_are_words),
      HF_UNIT(what_is_no_option_is_named),
      HF_UNIT(relative_paths_begin_at_the_folder_of_the_file),
      HF_UNIT(a_prefix_moves_the_file_and_everything_in_it),
      HF_UNIT(without_c_the_file_is_looked_for_and_the_places_are_told),
      HF_UNIT(help_and_versions_name_what_people_ask_for),
  };
  return HF_RUN(tests);
}
