// Any bytes as a .env: nothing may crash, every value stands where its entry says, and names are
// names.
#include <algorithm>
#include <cstdlib>

#include "common/env_file.h"

using namespace holdfast;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const std::string text(data, data + size);
  const std::string normalised = normalise_lines(text);
  if (normalised.find('\r') != std::string::npos) std::abort();
  uint32_t before = 0;
  for (const EnvEntry &entry : parse_env_file(text)) {
    const bool ordered =
        before <= entry.begin && entry.begin <= entry.end && entry.end <= normalised.size();
    const bool named =
        !entry.name.empty() && entry.name.find_first_of(" \t\n=#") == std::string::npos;
    if (!ordered || !named || entry.value.size() > entry.end - entry.begin) std::abort();
    before = entry.end;
  }
  return 0;
}
