#include "proxy/http/field_lines.h"

#include "proxy/http/byte_class.h"
#include "proxy/http/head_writer.h"

namespace holdfast::proxy::http {
namespace {

HeadError bad(const char *reason) noexcept { return {400, reason}; }

// Reads one line after the other; every fault is a fixed text.
class LineReader {
 public:
  explicit LineReader(std::string_view bytes) noexcept
      : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  bool at_last_line() const noexcept { return at_ == end_ || *at_ == '\r'; }
  const char *at() const noexcept { return at_; }

  // Reads the empty line.
  HeadError read_last() noexcept {
    if (end_ - at_ < 2 || at_[1] != '\n') return bad("carriage return without line feed");
    at_ += 2;
    return {};
  }

  // Reads a line into `field`, its id included. Result: status 0, or the fault; then the reader is
  // spent.
  HeadError read(Field &field, bool &obs_text) noexcept {
    const char *name = at_;
    at_ = find_colon(name, end_);
    field.name = {name, static_cast<size_t>(at_ - name)};
    field.id = field_id(field.name);
    // A name found in the table, before a colon, is a token; any other has to be looked at.
    if (at_ == end_ || is_shared_id(field.id)) {
      const size_t token_bytes = run_of(field.name.substr(0, kFieldNameBytesMax + 1), kTchar);
      at_ = name + token_bytes;
      if (token_bytes > kFieldNameBytesMax) return {431, "field name too long"};
      if (token_bytes == 0 || at_ == end_ || *at_ != ':') return name_fault(name);
    }
    do ++at_;
    while (at_ < end_ && is_blank(*at_));
    const char *value_end = skip_text(at_, end_, obs_text);
    if (end_ - value_end < 2 || value_end[0] != '\r' || value_end[1] != '\n') {
      at_ = value_end;
      return end_fault();
    }
    const char *next = value_end + 2;
    while (value_end > at_ && is_blank(value_end[-1])) --value_end;
    field.value = {at_, static_cast<size_t>(value_end - at_)};
    at_ = next;
    return {};
  }

 private:
  HeadError name_fault(const char *name) const noexcept {
    if (at_ == end_) return bad("field line without a colon");
    if (at_ == name && is_blank(*at_)) return bad("line begins with white space");
    if (at_ == name && *at_ == ':') return bad("empty field name");
    if (at_ == name && *at_ == '\n') return bad("line feed without carriage return");
    if (is_blank(*at_)) return bad("white space in or after a field name");
    if (*at_ == '\r' || *at_ == '\n') return bad("field line without a colon");
    return bad("byte not allowed in a field name");
  }
  HeadError end_fault() const noexcept {
    if (at_ < end_ && *at_ == '\n') return bad("line feed without carriage return");
    if (at_ < end_ && *at_ == '\r') return bad("carriage return without line feed");
    return bad("control byte in a field value");
  }

  const char *at_;
  const char *end_;
};

bool has_name(const FieldList &fields, const Field &wanted) noexcept {
  for (const Field &field : fields.all()) {
    if (field.id == wanted.id && iequals(field.name, wanted.name)) return true;
  }
  return false;
}

// REQUIRES: field text without obs-text, so that blanks are all that is left to refuse.
bool is_session_id(std::string_view value) noexcept {
  return !value.empty() && value.size() <= kSessionIdBytesMax && visible_run(value) == value.size();
}

// Rules for the fields the proxy interprets.
HeadError check_known(const Field &field, bool obs_text, bool repeated) noexcept {
  if (obs_text) return bad("byte above 0x7e in a field the proxy reads");
  if (repeated) return bad("field occurs twice");
  if (field.id == FieldId::mcp_session_id && !is_session_id(field.value)) {
    return bad("malformed Mcp-Session-Id");
  }
  return {};
}

void mark_named(FieldList &fields, std::string_view option) noexcept {
  const FieldId id = field_id(option);
  if (kConnectionBound.has(id) || !connection_may_remove(id)) return;  // marked by name, or never
  for (Field &field : fields.all()) {
    if (field.id != id) continue;
    if (!is_shared_id(id) || iequals(field.name, option)) field.hop_by_hop = true;
  }
}

}  // namespace

HeadError parse_field_lines(std::string_view bytes, FieldSet singletons, FieldList &out,
                            size_t &section_bytes) noexcept {
  out.clear();
  LineReader reader(bytes);
  while (!reader.at_last_line()) {
    Field &field = out.next();
    bool obs_text = false;
    if (const HeadError fault = reader.read(field, obs_text); fault.status != 0) return fault;
    field.hop_by_hop = kConnectionBound.has(field.id);
    if (field.id != FieldId::other) {
      bool repeated =
          out.find(field.id) != nullptr && (singletons.has(field.id) || is_mcp(field.id));
      if (repeated && is_shared_id(field.id)) repeated = has_name(out, field);
      if (const HeadError fault = check_known(field, obs_text, repeated); fault.status != 0) {
        return fault;
      }
    }
    if (!out.keep()) return {431, "too many fields"};
  }
  const HeadError fault = reader.read_last();
  section_bytes = static_cast<size_t>(reader.at() - bytes.data());
  return fault;
}

ConnectionOptions apply_connection(FieldList &fields) noexcept {
  ConnectionOptions result;
  if (fields.find(FieldId::connection) == nullptr) return result;
  size_t options_count = 0;
  for (const Field &field : fields.all()) {
    if (field.id != FieldId::connection) continue;
    ListCursor options(field.value);
    for (std::string_view option; options.next(option);) {
      if (++options_count > kConnectionOptionsMax) {
        result.too_many = true;
        return result;
      }
      if (iequals(option, "close")) {
        result.close = true;
      } else {
        mark_named(fields, option);
      }
    }
  }
  return result;
}

}  // namespace holdfast::proxy::http
