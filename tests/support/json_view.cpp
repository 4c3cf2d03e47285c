#include "tests/support/json_view.h"

#include <cstdlib>
#include <memory>

#include "tests/support/hf_test.h"

namespace holdfast::test {

Json::Json(std::string_view text)
    : value_(
          json_loadb(text.data(), text.size(), JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, nullptr)) {
  if (!value_) HF_FAIL("not JSON: \"" + std::string(text.substr(0, 500)) + "\"");
}

Json::Json(const Json &other) : value_(json_incref(other.value_.get())) {}

Json &Json::operator=(const Json &other) {
  value_.reset(json_incref(other.value_.get()));
  return *this;
}

Json Json::operator[](std::string_view key) const {
  return Json(JsonPtr(json_incref(json_object_get(value_.get(), std::string(key).c_str()))));
}

Json Json::operator[](size_t index) const {
  return Json(JsonPtr(json_incref(json_array_get(value_.get(), index))));
}

size_t Json::size() const {
  return json_is_array(value_.get()) ? json_array_size(value_.get())
                                     : json_object_size(value_.get());
}

std::string Json::text() const {
  if (!json_is_string(value_.get())) return dump();
  return {json_string_value(value_.get()), json_string_length(value_.get())};
}

int64_t Json::integer() const {
  if (!json_is_integer(value_.get())) HF_FAIL("not an integer: " + dump());
  return json_integer_value(value_.get());
}

bool Json::boolean() const {
  if (!json_is_boolean(value_.get())) HF_FAIL("not a boolean: " + dump());
  return json_is_true(value_.get());
}

std::string Json::dump() const {
  if (!value_) return "(absent)";
  const std::unique_ptr<char, CDeleter<std::free>> text(
      json_dumps(value_.get(), JSON_COMPACT | JSON_ENCODE_ANY));
  return text.get();
}

bool Json::operator==(const Json &other) const {
  if (!value_ || !other.value_) return !value_ && !other.value_;
  return json_equal(value_.get(), other.value_.get()) != 0;
}

std::ostream &operator<<(std::ostream &out, const Json &json) { return out << json.dump(); }

}  // namespace holdfast::test
