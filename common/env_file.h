// A .env file exactly as npm dotenv 16 reads it, so that a file that works for the MCP server works
// here: optional `export`, ` #` begins a comment outside quotes, '…' "…" `…` are stripped, \n and
// \r are expanded in double quotes, what does not fit is passed over. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast {

struct EnvEntry {
  std::string name;
  std::string value;
  uint32_t begin = 0;  // the value as written, in bytes of the normalised text
  uint32_t end = 0;
};

// CR LF and CR as LF: what parse_env_file counts its bytes in.
std::string normalise_lines(std::string_view text);

// The entries in the order of the file; of equal names the last one counts.
std::vector<EnvEntry> parse_env_file(std::string_view text);

}  // namespace holdfast
