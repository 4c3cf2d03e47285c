// The bridge between cmocka and C++: checks throw inside a test body, the failure is reported
// outside, because cmocka's own asserts longjmp past C++ destructors. Never check inside a libevent
// callback: record there, check after the loop returns.
//
//   HF_TEST(a_sentence_that_says_what_holds) { HF_CHECK(x); HF_EQ(a, b); }
//   int main() { const CMUnitTest tests[] = {HF_UNIT(a_sentence_that_says_what_holds)}; return
//   HF_RUN(tests); }
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
extern "C" {
#include <cmocka.h>
}
// Function-like macros that break every standard header included after this one.
#undef fail
#undef skip

#include <csignal>
#include <cstdio>
#include <exception>
#include <sstream>
#include <string>
#include <type_traits>

namespace holdfast::test {

struct TestFailure {
  const char *file;
  int line;
  std::string what;
};

// What run_body hands to cmocka's longjmp: nothing in it needs destroying.
struct Failed {
  const char *file = nullptr;
  int line = 0;
  char what[2048] = {};
};

inline Failed run_body(void (*body)()) noexcept {
  Failed f;
  try {
    body();
  } catch (const TestFailure &t) {
    f.file = t.file;
    f.line = t.line;
    (void)std::snprintf(f.what, sizeof f.what, "%s", t.what.c_str());
  } catch (const std::exception &e) {
    f.file = "exception";
    (void)std::snprintf(f.what, sizeof f.what, "%s", e.what());
  }
  return f;
}

template <class T>
void show(std::ostream &out, const T &value) {
  if constexpr (std::is_enum_v<T>) {
    out << static_cast<long long>(value);
  } else if constexpr (requires { out << value; }) {
    out << value;
  } else {
    out << "(value)";
  }
}

template <class A, class B>
void check_eq(const A &a, const B &b, const char *text, const char *file, int line) {
  if (a == b) return;
  std::ostringstream out;
  out << text << "\n  left:  ";
  show(out, a);
  out << "\n  right: ";
  show(out, b);
  throw TestFailure{file, line, out.str()};
}

}  // namespace holdfast::test

#define HF_CHECK(c)                                                        \
  do {                                                                     \
    if (!(c)) throw ::holdfast::test::TestFailure{__FILE__, __LINE__, #c}; \
  } while (0)
#define HF_EQ(a, b) ::holdfast::test::check_eq((a), (b), #a " == " #b, __FILE__, __LINE__)
#define HF_FAIL(text) \
  throw ::holdfast::test::TestFailure { __FILE__, __LINE__, (text) }

#define HF_TEST(name)                                                           \
  static void name##_body();                                                    \
  static void name(void **) {                                                   \
    const ::holdfast::test::Failed f = ::holdfast::test::run_body(name##_body); \
    if (f.file != nullptr) {                                                    \
      print_error("%s\n", f.what);                                              \
      _fail(f.file, f.line);                                                    \
    }                                                                           \
  }                                                                             \
  static void name##_body()
#define HF_UNIT(name) cmocka_unit_test(name)
#define HF_RUN(tests) \
  ((void)signal(SIGPIPE, SIG_IGN), cmocka_run_group_tests((tests), nullptr, nullptr))
