#include "common/conf_parser.h"

#include <algorithm>
#include <optional>

#include "common/conf_lexer.h"

namespace holdfast {

namespace {

std::string in_quotes(std::string_view text) { return '"' + std::string(text) + '"'; }

class Parser {
 public:
  Parser(const ConfRequest &request, const ConfSchema &schema, ConfSource &source,
         ConfReport &report)
      : request_(request), schema_(schema), source_(source), report_(report), open_(1) {}

  ConfTree run();

 private:
  void parse_file(uint32_t file);
  void on_word(ConfToken token);
  void on_open(const ConfToken &token);
  void on_close(const ConfToken &token, size_t base_depth);
  void on_end(size_t base_depth, bool cut_short);
  void finish(const ConfSpan &semicolon);
  void finish_without_semicolon();
  void close_block();
  void include(const ConfDirective &directive, const ConfSpan &semicolon);
  std::optional<std::vector<std::string>> included_paths(const ConfDirective &directive);
  bool include_one(const std::string &path, const ConfSpan &span, ConfInclude &include);
  std::optional<uint32_t> add_file(const std::string &path, const ConfSpan &span);

  const ConfRequest &request_;
  const ConfSchema &schema_;
  ConfSource &source_;
  ConfReport &report_;
  ConfTree tree_;
  std::vector<ConfDirective> open_;       // blocks not closed yet; [0] stands for the main level
  std::optional<ConfDirective> current_;  // words since the last ; { or }
  std::vector<uint32_t> include_stack_;   // files being parsed, the innermost last
};

std::optional<uint32_t> Parser::add_file(const std::string &path, const ConfSpan &span) {
  if (tree_.files.size() >= kConfFilesMax) {
    report_.error(span, "more than " + std::to_string(kConfFilesMax) + " files are included");
    return std::nullopt;
  }
  auto text = source_.read_file(path);
  if (!text) {
    report_.error(span, text.error().message);
    return std::nullopt;
  }
  tree_.files.push_back({path, std::move(*text), ConfFile::Kind::conf, ""});
  return static_cast<uint32_t>(tree_.files.size() - 1);
}

ConfTree Parser::run() {
  if (const auto file = add_file(request_.path, ConfSpan{})) {
    tree_.files[*file].shown = request_.shown_path;
    parse_file(*file);
  }
  if (!request_.directives.empty()) {
    tree_.command_line_file = static_cast<uint32_t>(tree_.files.size());
    // Whoever types -g 'pid x' means the semicolon.
    const bool complete =
        request_.directives.find_last_of(";}") != std::string::npos &&
        request_.directives.find_last_not_of(" \t\n") == request_.directives.find_last_of(";}");
    tree_.files.push_back({"command line", request_.directives + (complete ? "" : ";"),
                           ConfFile::Kind::command_line, ""});
    parse_file(tree_.command_line_file);
  }
  tree_.directives = std::move(open_.front().children);
  return std::move(tree_);
}

void Parser::parse_file(uint32_t file) {
  const size_t base_depth = open_.size();
  include_stack_.push_back(file);
  // Files move when others are included, so the lexer has a copy of the text.
  ConfLexer lexer(file, tree_.files[file].text, source_, report_);
  for (ConfToken token = lexer.next();; token = lexer.next()) {
    switch (token.kind) {
      case ConfToken::Kind::word:
        on_word(std::move(token));
        break;
      case ConfToken::Kind::semicolon:
        if (current_) {
          finish(token.span);
        } else {
          report_.error(token.span, "unexpected \";\"");
        }
        break;
      case ConfToken::Kind::open:
        on_open(token);
        break;
      case ConfToken::Kind::close:
        on_close(token, base_depth);
        break;
      case ConfToken::Kind::end:
        on_end(base_depth, lexer.ran_into_end());
        include_stack_.pop_back();
        return;
    }
  }
}

void Parser::on_word(ConfToken token) {
  // A directive's name at the beginning of a line is a new directive; who means the word as an
  // argument puts it in quotes.
  if (current_ && token.first_on_line && !token.quoted && schema_.knows(token.text)) {
    finish_without_semicolon();
  }
  ConfWord word{std::move(token.text), token.span};
  if (current_) {
    current_->args.push_back(std::move(word));
  } else {
    current_.emplace();
    current_->name = std::move(word);
  }
}

void Parser::on_open(const ConfToken &token) {
  if (!current_) {
    report_.error(token.span, "unexpected \"{\"");
    current_.emplace();
    current_->name = {"{", token.span};
  } else if (open_.size() == kConfBlockDepthMax + 1) {  // told once, not for all that is deeper
    report_.error(token.span,
                  "blocks are nested more than " + std::to_string(kConfBlockDepthMax) + " deep");
  }
  current_->has_block = true;
  open_.push_back(std::move(*current_));
  current_.reset();
}

void Parser::on_close(const ConfToken &token, size_t base_depth) {
  if (current_) finish_without_semicolon();
  if (open_.size() <= base_depth) {
    report_.error(token.span, "unexpected \"}\"");
    return;
  }
  close_block();
}

void Parser::on_end(size_t base_depth, bool cut_short) {
  if (cut_short) {
    // What was cut short is not half understood: a block without its end would only cause
    // complaints.
    current_.reset();
    open_.resize(base_depth);
    return;
  }
  if (current_) finish_without_semicolon();
  while (open_.size() > base_depth) {
    report_.error(open_.back().span(),
                  "the block of " + in_quotes(open_.back().name.text) + " is never closed");
    close_block();
  }
}

void Parser::close_block() {
  ConfDirective block = std::move(open_.back());
  open_.pop_back();
  // What is nested too deep was reported and is not kept: nobody walks deeper than the bound.
  if (open_.size() <= kConfBlockDepthMax && block.name.text != "{") {
    open_.back().children.push_back(std::move(block));
  }
}

void Parser::finish(const ConfSpan &semicolon) {
  ConfDirective directive = std::move(*current_);
  current_.reset();
  if (directive.name.text == "include") {
    include(directive, semicolon);
  } else {
    open_.back().children.push_back(std::move(directive));
  }
}

void Parser::finish_without_semicolon() {
  const ConfWord &last = current_->args.empty() ? current_->name : current_->args.back();
  const ConfSpan after{last.span.file, last.span.end, last.span.end};
  report_.error(after, "missing \";\" after " + in_quotes(current_->name.text));
  finish(after);
}

void Parser::include(const ConfDirective &directive, const ConfSpan &semicolon) {
  if (directive.args.size() != 1) {
    report_.error(directive.span(),
                  "\"include\" takes 1 argument(s), not " + std::to_string(directive.args.size()));
    return;
  }
  if (include_stack_.size() > kConfIncludeDepthMax) {
    report_.error(directive.span(), "includes are nested more than " +
                                        std::to_string(kConfIncludeDepthMax) + " deep");
    return;
  }
  const auto paths = included_paths(directive);
  if (!paths) return;
  ConfInclude record;
  record.span = {directive.span().file, directive.span().begin, semicolon.end};
  for (const std::string &path : *paths) {
    if (!include_one(path, directive.args.front().span, record)) break;
  }
  tree_.includes.push_back(std::move(record));
}

std::optional<std::vector<std::string>> Parser::included_paths(const ConfDirective &directive) {
  const ConfWord &pattern = directive.args.front();
  const std::string path = request_.resolve(pattern.text);
  if (path.find_first_of("*?[") == std::string::npos) return std::vector<std::string>{path};
  auto found = source_.glob(path);
  if (!found) {
    report_.error(pattern.span, found.error().message);
    return std::nullopt;
  }
  return std::move(*found);
}

bool Parser::include_one(const std::string &path, const ConfSpan &span, ConfInclude &include) {
  const bool inside_itself =
      std::any_of(include_stack_.begin(), include_stack_.end(),
                  [&](uint32_t file) { return tree_.files[file].path == path; });
  if (inside_itself) {
    report_.error(span, in_quotes(path) + " includes itself");
    return false;
  }
  const auto file = add_file(path, span);
  if (!file) return false;
  include.files.push_back(*file);
  parse_file(*file);
  return true;
}

}  // namespace

ConfTree parse_conf(const ConfRequest &request, const ConfSchema &schema, ConfSource &source,
                    ConfReport &report) {
  return Parser(request, schema, source, report).run();
}

}  // namespace holdfast
