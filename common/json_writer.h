// Writes one line of JSON straight into a string, without a tree: what leaves often (link messages,
// session lists) costs one pass. The caller keeps the order of calls legal; commas are added here.
// Borrows the string until destroyed. Pure; any thread.
//
//   JsonWriter w(out);  w.begin_object().key("n").number(3).end_object();      {"n":3}
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace holdfast {

class JsonWriter {
 public:
  explicit JsonWriter(std::string &out) : out_(out) {}

  JsonWriter &begin_object() { return open('{'); }
  JsonWriter &end_object() { return close('}'); }
  JsonWriter &begin_array() { return open('['); }
  JsonWriter &end_array() { return close(']'); }
  JsonWriter &key(std::string_view name);
  // Bytes that are not UTF-8 become U+FFFD; of the result at most `bytes_max` bytes are written,
  // never half a character.
  JsonWriter &text(std::string_view value, size_t bytes_max = SIZE_MAX);
  JsonWriter &number(int64_t value);
  JsonWriter &number(double value, int decimals);  // finite; fixed notation
  JsonWriter &boolean(bool value);
  JsonWriter &null();

 private:
  JsonWriter &open(char bracket);
  JsonWriter &close(char bracket);
  void separate();
  void append_escaped(std::string_view well_formed);
  void put_short(std::string_view text, std::string_view behind);

  std::string &out_;
  bool comma_ = false;  // a value stands before, in this object or array
};

}  // namespace holdfast
