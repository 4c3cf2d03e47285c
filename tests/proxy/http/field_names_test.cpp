// Field names and their ids: one table, matched without case and exactly.
#include <string>
#include <vector>

#include "proxy/http/byte_class.h"
#include "proxy/http/field_names.h"
#include "proxy/http/head_writer.h"
#include "tests/support/hf_test.h"

using namespace holdfast;
using namespace holdfast::proxy::http;

namespace {

std::vector<FieldId> all_ids() {
  std::vector<FieldId> ids;
  for (size_t i = 0; i < kFieldIdsCount; ++i) ids.push_back(static_cast<FieldId>(i));
  return ids;
}

std::string in_upper_case(std::string_view name) {
  std::string upper(name);
  for (char &c : upper) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return upper;
}

}  // namespace

HF_TEST(every_id_round_trips_through_its_name) {
  // Catches a forgotten or misspelt row.
  for (const FieldId id : all_ids()) {
    if (is_shared_id(id)) {
      HF_EQ(field_name(id), "");
      continue;
    }
    const std::string_view name = field_name(id);
    HF_CHECK(!name.empty());
    HF_CHECK(field_id(name) == id);
    HF_CHECK(field_id(in_upper_case(name)) == id);
  }
}

HF_TEST(a_name_with_any_byte_changed_is_another_name) {
  // Words are compared with the case bit masked out: of letters only, so that no other byte passes.
  for (const FieldId id : all_ids()) {
    const std::string name(field_name(id));
    for (size_t at = 0; at < name.size(); ++at) {
      for (unsigned byte = 0; byte < 256; ++byte) {
        std::string changed = name;
        changed[at] = static_cast<char>(byte);
        HF_EQ(field_id(changed) == id, iequals(changed, name));
      }
    }
  }
}

HF_TEST(longer_and_shorter_names_are_others) {
  for (const FieldId id : all_ids()) {
    const std::string name(field_name(id));
    if (name.empty()) continue;
    HF_CHECK(field_id(name + "x") != id);
    HF_CHECK(field_id(name.substr(1)) != id);
    HF_CHECK(field_id(name.substr(0, name.size() - 1)) != id);
  }
  HF_CHECK(field_id("") == FieldId::other);
  HF_CHECK(field_id("a") == FieldId::other);
  HF_CHECK(field_id(std::string(300, 'a')) == FieldId::other);
}

HF_TEST(prefixes_name_the_rest_of_their_families) {
  HF_CHECK(field_id("mcp-param-region") == FieldId::mcp_other);
  HF_CHECK(field_id("MCP-A-Name-Of-More-Than-24-Bytes") == FieldId::mcp_other);
  HF_CHECK(field_id("Mcp-") == FieldId::mcp_other);
  HF_CHECK(field_id("Mcp") == FieldId::other);
  HF_CHECK(field_id("mcpx-a") == FieldId::other);
  HF_CHECK(field_id("X-Forwarded-Port") == FieldId::x_forwarded_other);
  HF_CHECK(field_id("x-forwarded-something-very-long") == FieldId::x_forwarded_other);
  HF_CHECK(field_id("X-Forwarded") == FieldId::other);
  HF_CHECK(field_id("X_Forwarded_For") == FieldId::other);
}

HF_TEST(connection_removes_only_what_is_safe_to_lose) {
  for (const FieldId id :
       {FieldId::content_length, FieldId::content_type, FieldId::host, FieldId::origin,
        FieldId::authorization, FieldId::accept, FieldId::last_event_id, FieldId::mcp_session_id,
        FieldId::mcp_other, FieldId::x_forwarded_for, FieldId::x_forwarded_other,
        FieldId::forwarded}) {
    HF_CHECK(!connection_may_remove(id));
  }
  HF_CHECK(connection_may_remove(FieldId::other));
  HF_CHECK(connection_may_remove(FieldId::te));
  HF_CHECK(connection_may_remove(FieldId::cache_control));
}

HF_TEST(every_connection_bound_field_may_be_named_in_connection) {
  for (const FieldId id : all_ids()) {
    if (kConnectionBound.has(id)) HF_CHECK(connection_may_remove(id));
    if (is_mcp(id)) HF_CHECK(!connection_may_remove(id));
  }
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(every_id_round_trips_through_its_name),
      HF_UNIT(a_name_with_any_byte_changed_is_another_name),
      HF_UNIT(longer_and_shorter_names_are_others),
      HF_UNIT(prefixes_name_the_rest_of_their_families),
      HF_UNIT(connection_removes_only_what_is_safe_to_lose),
      HF_UNIT(every_connection_bound_field_may_be_named_in_connection),
  };
  return HF_RUN(tests);
}
