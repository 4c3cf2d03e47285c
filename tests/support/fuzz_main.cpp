// Runs a fuzz target's function over the files and folders named on the command line: the corpus as
// a plain regression test, where libFuzzer is not linked.
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void run_file(const std::filesystem::path &path) {
  std::ifstream in(path, std::ios::binary);
  const std::vector<char> bytes((std::istreambuf_iterator<char>(in)),
                                std::istreambuf_iterator<char>());
  const auto *data = static_cast<const uint8_t *>(static_cast<const void *>(bytes.data()));
  (void)LLVMFuzzerTestOneInput(data, bytes.size());  // ignoring: always 0
}

int main(int argc, char **argv) {
  size_t files_count = 0;
  for (int i = 1; i < argc; ++i) {
    if (std::filesystem::is_directory(argv[i])) {
      for (const auto &entry : std::filesystem::recursive_directory_iterator(argv[i])) {
        if (!entry.is_regular_file()) continue;
        run_file(entry.path());
        ++files_count;
      }
    } else {
      run_file(argv[i]);
      ++files_count;
    }
  }
  std::printf("%zu inputs replayed\n", files_count);
  return files_count > 0 ? 0 : 1;  // an empty corpus checks nothing
}
