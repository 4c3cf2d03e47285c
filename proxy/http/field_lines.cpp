#include "proxy/http/field_lines.h"

#include "proxy/http/byte_class.h"
#include "proxy/http/head_writer.h"

namespace holdfast::proxy::http {
namespace {

HeadError bad(const char *reason) noexcept { return {400, reason}; }

// Reads one line after the other; every fault is a fixed text.
class LineReader {
 public:
  explicit LineReader(std::string_view section) noexcept
      : at_(section.data()), end_(section.data() + section.size()) {}

  // True at the empty line, or where the section ends without one.
  bool at_last_line() const noexcept { return at_ == end_ || *at_ == '\r'; }
  HeadError check_last_line() const noexcept {
    if (end_ - at_ == 2 && at_[1] == '\n') return {};
    return bad("carriage return without line feed");
  }

  // Reads a line into `field`. Result: status 0, or the fault; then the reader is spent.
  HeadError read(Field &field, bool &obs_text) noexcept {
    const char *name = at_;
    while (at_ < end_ && is(*at_, kTchar)) ++at_;
    const auto name_bytes = static_cast<size_t>(at_ - name);
    if (at_ == end_ || *at_ != ':' || name_bytes == 0) return name_fault(name);
    if (name_bytes > kFieldNameBytesMax) return {431, "field name too long"};
    field.name = {name, name_bytes};
    ++at_;
    while (at_ < end_ && is_blank(*at_)) ++at_;
    const TextRun run = text_run(at_, end_);
    field.value = {at_, run.bytes};
    obs_text = run.obs_text;
    at_ += run.bytes;
    while (!field.value.empty() && is_blank(field.value.back())) field.value.remove_suffix(1);
    if (end_ - at_ < 2 || at_[0] != '\r' || at_[1] != '\n') return end_fault();
    at_ += 2;
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
  if (!connection_may_remove(id)) return;
  for (Field &field : fields.all()) {
    if (field.id != id) continue;
    if (!is_shared_id(id) || iequals(field.name, option)) field.hop_by_hop = true;
  }
}

}  // namespace

bool is_session_id(std::string_view value) noexcept {
  return !value.empty() && value.size() <= kSessionIdBytesMax && all_of(value, kVisible);
}

HeadError parse_field_lines(std::string_view section, FieldSet singletons,
                            FieldList &out) noexcept {
  out.clear();
  LineReader reader(section);
  FieldSet seen;
  while (!reader.at_last_line()) {
    Field field;
    bool obs_text = false;
    if (const HeadError fault = reader.read(field, obs_text); fault.status != 0) return fault;
    field.id = field_id(field.name);
    if (field.id != FieldId::other) {
      bool repeated = seen.has(field.id) && (singletons.has(field.id) || is_mcp(field.id));
      if (repeated && is_shared_id(field.id)) repeated = has_name(out, field);
      if (const HeadError fault = check_known(field, obs_text, repeated); fault.status != 0) {
        return fault;
      }
      seen.add(field.id);
      field.hop_by_hop = kConnectionBound.has(field.id);
    }
    if (!out.push(field)) return {431, "too many fields"};
  }
  return reader.check_last_line();
}

ConnectionOptions apply_connection(FieldList &fields) noexcept {
  ConnectionOptions result;
  size_t options_count = 0;
  for (const Field &field : fields.all()) {
    if (field.id != FieldId::connection) continue;
    ListCursor options(field.value);
    for (std::string_view option; options.next(option);) {
      if (++options_count > kConnectionOptionsMax) {
        result.too_many = true;
        return result;
      }
      if (iequals(option, "close")) result.close = true;
      mark_named(fields, option);
    }
  }
  return result;
}

}  // namespace holdfast::proxy::http
