#include "common/conf_dump.h"

#include <algorithm>
#include <array>

#include "common/env_file.h"

namespace holdfast {

namespace {

// Of two arguments the first is the name of what is set, and only some names keep secrets.
bool is_secret(const ConfDirective &directive) {
  if (directive.row == nullptr || !directive.row->secret_value || directive.args.empty())
    return false;
  if (directive.args.size() == 1) return true;
  std::string name = directive.args.front().text;
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) {
    return static_cast<char>(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
  });
  constexpr std::array<std::string_view, 7> kTellTale{"auth",   "cookie",   "key",       "token",
                                                      "secret", "password", "credential"};
  return std::any_of(kTellTale.begin(), kTellTale.end(), [&name](std::string_view part) {
    return name.find(part) != std::string::npos;
  });
}

// A stretch of a file that the dump prints otherwise.
struct Replacement {
  ConfSpan span;
  const ConfInclude *include;  // nullptr: a secret
};

class Dump {
 public:
  Dump(const ConfTree &tree, bool secrets) : tree_(tree) {
    for (const ConfInclude &include : tree.includes) {
      replacements_.push_back({include.span, &include});
    }
    if (!secrets) find_secrets(tree.directives);
    std::sort(replacements_.begin(), replacements_.end(),
              [](const Replacement &a, const Replacement &b) {
                if (a.span.file != b.span.file) return a.span.file < b.span.file;
                return a.span.begin < b.span.begin;
              });
  }

  void print_file(uint32_t file) {
    const ConfFile &source = tree_.files[file];
    const std::string heading = "# configuration file " + source.path + ":\n";
    out_ += heading;
    size_t at = 0;
    for (const Replacement &replacement : replacements_) {
      if (replacement.span.file != file) continue;
      append(source.text, at, replacement.span.begin);
      at = replacement.span.end;
      if (replacement.include == nullptr) {
        out_ += "\"***\"";
        continue;
      }
      print_included(source.text, *replacement.include);
      out_ += heading;
    }
    append(source.text, at, source.text.size());
    end_line();
  }

  void print_comment(const std::string &line) {
    end_line();
    out_ += "# " + line + "\n";
  }

  std::string take() { return std::move(out_); }

 private:
  void append(const std::string &text, size_t begin, size_t end) {
    out_.append(text, begin, end - begin);
  }

  void end_line() {
    if (!out_.empty() && out_.back() != '\n') out_ += '\n';
  }

  void print_included(const std::string &text, const ConfInclude &include) {
    end_line();
    std::string words = text.substr(include.span.begin, include.span.end - include.span.begin);
    std::replace(words.begin(), words.end(), '\n', ' ');
    out_ += "# " + words + "\n";
    for (const uint32_t file : include.files) print_file(file);
  }

  void find_secrets(const std::vector<ConfDirective> &directives) {
    for (const ConfDirective &directive : directives) {
      if (is_secret(directive)) replacements_.push_back({directive.args.back().span, nullptr});
      find_secrets(directive.children);
    }
  }

  const ConfTree &tree_;
  std::vector<Replacement> replacements_;
  std::string out_;
};

void dump_env_file(Dump &dump, const ConfFile &file,
                   std::span<const std::string_view> known_variables, bool secrets) {
  dump.print_comment("configuration file " + file.path + ":");
  for (const EnvEntry &entry : parse_env_file(file.text)) {
    const bool known = std::find(known_variables.begin(), known_variables.end(), entry.name) !=
                       known_variables.end();
    std::string value = known || secrets ? entry.value : "***";
    std::replace(value.begin(), value.end(), '\n', ' ');
    dump.print_comment(entry.name + "=" + value);
  }
}

}  // namespace

std::string dump_conf(const ConfTree &tree, bool secrets) {
  Dump dump(tree, secrets);
  if (tree.files.empty()) return "";
  dump.print_file(0);
  for (const ConfFile &file : tree.files) {
    if (file.kind == ConfFile::Kind::env_file) {
      dump_env_file(dump, file, tree.known_variables, secrets);
    } else if (file.kind == ConfFile::Kind::command_line) {
      dump.print_comment("-g " + file.text);
    }
  }
  return dump.take();
}

}  // namespace holdfast
