// What -v and -V print. The build options come from CMake as definitions of this file alone.
#include "common/command_line.h"

namespace holdfast {

std::string_view holdfast_version() noexcept { return HOLDFAST_VERSION; }

std::string version_text(std::string_view program) {
  return std::string(program) + " version: holdfast/" + HOLDFAST_VERSION + "\n";
}

std::string build_info_text(std::string_view program, std::span<const LibraryVersion> libraries) {
  std::string text = version_text(program);
  text += "built by " HOLDFAST_COMPILER "\n";
  for (const LibraryVersion &library : libraries) {
    text += "with " + std::string(library.name) + " " + library.compiled;
    const bool differs = !library.running.empty() && library.running != library.compiled;
    text += differs ? " (running " + library.running + ")\n" : "\n";
  }
  text += "configure arguments: " HOLDFAST_BUILD_OPTIONS "\n";
  text += "paths: configuration " HOLDFAST_CONF_DIR "\n";
  return text;
}

}  // namespace holdfast
