// A JSON document in a test: parsed once, looked at by path, compared as text. Wrong paths give an
// absent value, so that a check fails with what was there instead of crashing.
#pragma once

#include <cstdint>
#include <ostream>
#include <string>
#include <string_view>

#include "common/json.h"

namespace holdfast::test {

class Json {
 public:
  Json() = default;                      // absent
  explicit Json(std::string_view text);  // fails the test when it is not JSON
  explicit Json(JsonPtr value) : value_(std::move(value)) {}
  Json(const Json &other);
  Json &operator=(const Json &other);
  Json(Json &&) = default;
  Json &operator=(Json &&) = default;
  ~Json() = default;

  // A member or an element; absent when there is none.
  Json operator[](std::string_view key) const;
  Json operator[](size_t index) const;

  bool present() const { return value_ != nullptr; }
  bool is_null() const { return json_is_null(value_.get()); }
  size_t size() const;       // elements or members; 0 for anything else
  std::string text() const;  // a string's value, else what dump() gives
  int64_t integer() const;   // fails the test when it is not one
  bool boolean() const;      // likewise
  std::string dump() const;  // compact; "(absent)"

  bool operator==(const Json &other) const;
  bool operator==(std::string_view other) const { return text() == other; }
  bool operator==(int other) const { return integer() == other; }

 private:
  JsonPtr value_;
};

std::ostream &operator<<(std::ostream &out, const Json &json);

}  // namespace holdfast::test
