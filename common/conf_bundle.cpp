// The text form of a ConfBundle: a first line with the version, then every string as
// "LENGTH:BYTES,", counts as "N;". Written by a master, read by its child.
#include <algorithm>
#include <charconv>

#include "common/conf_source.h"

namespace holdfast {

namespace {

constexpr std::string_view kFirstLine = "holdfast-conf 1\n";
constexpr uint64_t kKinds = 5;

void put_number(std::string &out, uint64_t value) { out += std::to_string(value) + ';'; }

void put_text(std::string &out, std::string_view text) {
  out += std::to_string(text.size()) + ':';
  out += text;
  out += ',';
}

// Reads from the front of what is left; once something is wrong everything is.
class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}

  bool ok() const noexcept { return ok_; }
  bool at_end() const noexcept { return rest_.empty(); }

  uint64_t number(uint64_t max, char terminator = ';') {
    uint64_t value = 0;
    const char *last = rest_.data() + rest_.size();
    const auto [end, status] = std::from_chars(rest_.data(), last, value);
    if (!ok_ || status != std::errc{} || end == last || *end != terminator || value > max) {
      ok_ = false;
      return 0;
    }
    rest_.remove_prefix(static_cast<size_t>(end - rest_.data()) + 1);
    return value;
  }

  std::string text() {
    const auto size = static_cast<size_t>(number(rest_.size(), ':'));
    if (!ok_ || size >= rest_.size() || rest_[size] != ',') {
      ok_ = false;
      return {};
    }
    std::string value(rest_.substr(0, size));
    rest_.remove_prefix(size + 1);
    return value;
  }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace

const ConfBundle::Answer *ConfBundle::find(Kind kind, std::string_view question) const noexcept {
  const auto it = std::find_if(answers.begin(), answers.end(), [&](const Answer &answer) {
    return answer.kind == kind && answer.question == question;
  });
  return it == answers.end() ? nullptr : &*it;
}

void ConfBundle::record(Kind kind, std::string question, std::vector<std::string> values) {
  // The first answer counts: a file read twice must not change in between.
  if (find(kind, question) != nullptr) return;
  answers.push_back({kind, std::move(question), std::move(values)});
}

std::string ConfBundle::serialise() const {
  std::string out(kFirstLine);
  put_text(out, request.path);
  put_text(out, request.shown_path);
  put_text(out, request.base_dir);
  put_text(out, request.directives);
  put_text(out, request.error_log);
  put_number(out, answers.size());
  for (const Answer &answer : answers) {
    put_number(out, static_cast<uint64_t>(answer.kind));
    put_text(out, answer.question);
    put_number(out, answer.values.size());
    for (const std::string &value : answer.values) put_text(out, value);
  }
  return out;
}

Result<ConfBundle> ConfBundle::parse(std::string_view text) {
  const Error damaged{Errc::protocol, 0, "the configuration handed over is damaged"};
  if (text.size() > kConfBundleBytesMax || text.substr(0, kFirstLine.size()) != kFirstLine) {
    return damaged;
  }
  Reader in(text.substr(kFirstLine.size()));
  ConfBundle bundle;
  bundle.request.path = in.text();
  bundle.request.shown_path = in.text();
  bundle.request.base_dir = in.text();
  bundle.request.directives = in.text();
  bundle.request.error_log = in.text();
  // A count is bounded by the bytes there are, so it never makes us reserve more than we were sent.
  for (uint64_t left = in.number(text.size()); left > 0 && in.ok(); --left) {
    Answer answer{};
    answer.kind = static_cast<Kind>(in.number(kKinds - 1));
    answer.question = in.text();
    for (uint64_t values = in.number(text.size()); values > 0 && in.ok(); --values) {
      answer.values.push_back(in.text());
    }
    bundle.answers.push_back(std::move(answer));
  }
  if (!in.ok() || !in.at_end()) return damaged;
  return bundle;
}

}  // namespace holdfast
