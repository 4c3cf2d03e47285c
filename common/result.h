// A value or the reason there is none. C++20 has no std::expected; the verbs are the same, so that
// this can become an alias for it. Pure; no thread, no allocation beyond the message.
#pragma once

#include <string>
#include <utility>
#include <variant>

namespace holdfast {

// What kind of failure: chosen by what the caller can do about it, not by where it arose.
enum class Errc { io, protocol, config, limit, not_found, busy, refused };

struct Error {
  Errc code = Errc::io;
  int sys_errno = 0;    // errno where one is known, else 0
  std::string message;  // complete for a person: names what and where
};

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : v_(std::in_place_index<0>, std::move(value)) {}  // NOLINT: implicit by design
  Result(Error error)
      : v_(std::in_place_index<1>, std::move(error)) {}  // NOLINT: implicit by design

  explicit operator bool() const noexcept { return v_.index() == 0; }

  // REQUIRES: bool(*this)
  T &operator*() & { return std::get<0>(v_); }
  const T &operator*() const & { return std::get<0>(v_); }
  T &&operator*() && { return std::get<0>(std::move(v_)); }
  T *operator->() { return &std::get<0>(v_); }
  const T *operator->() const { return &std::get<0>(v_); }

  // REQUIRES: !bool(*this)
  const Error &error() const & { return std::get<1>(v_); }
  Error &&error() && { return std::get<1>(std::move(v_)); }

 private:
  std::variant<T, Error> v_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)), ok_(false) {}  // NOLINT: implicit by design

  explicit operator bool() const noexcept { return ok_; }
  const Error &error() const & { return error_; }
  Error &&error() && { return std::move(error_); }

 private:
  Error error_;
  bool ok_ = true;
};

}  // namespace holdfast
