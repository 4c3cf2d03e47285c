// A configuration as a tree of directives: reads the conf file and what it includes, in place, then
// the text of -g. Knows the grammar, not what the words mean (conf_check.h). Reads through a
// ConfSource; bounded in depth, files and bytes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/conf_report.h"
#include "common/conf_schema.h"
#include "common/conf_source.h"

namespace holdfast {

struct ConfWord {
  std::string text;
  ConfSpan span;
};

struct ConfDirective {
  ConfWord name;
  std::vector<ConfWord> args;
  bool has_block = false;
  std::vector<ConfDirective> children;
  const ConfRow *row = nullptr;  // set by the checker; nullptr = it had errors, builders skip it

  const ConfSpan &span() const noexcept { return name.span; }
};

// Where an `include` stood and what it brought in: for the dump.
struct ConfInclude {
  ConfSpan span;                // from the word to its semicolon
  std::vector<uint32_t> files;  // indices of the files it read
};

struct ConfTree {
  std::vector<ConfFile> files;            // the conf file first, then in the order of reading
  std::vector<ConfDirective> directives;  // the main level; those of -g last
  std::vector<ConfInclude> includes;
  // What of an env file is no secret: set by the loader that reads one.
  std::vector<std::string_view> known_variables;
  uint32_t command_line_file = ConfSpan::kNoFile;  // index of the text of -g

  bool from_command_line(const ConfDirective &directive) const noexcept {
    return directive.span().file == command_line_file;
  }
  // "conf/proxy.conf:7:3"
  std::string place(const ConfDirective &directive) const {
    return place_text(files, directive.span());
  }
};

inline constexpr size_t kConfIncludeDepthMax = 16;
inline constexpr size_t kConfBlockDepthMax = 16;
inline constexpr size_t kConfFilesMax =
    1000;  // an include that globs itself stops here at the latest

// Reads everything. Errors go to the report; what could be understood is in the tree all the same.
// The schema tells only which words are directives, to notice a forgotten semicolon.
ConfTree parse_conf(const ConfRequest &request, const ConfSchema &schema, ConfSource &source,
                    ConfReport &report);

}  // namespace holdfast
