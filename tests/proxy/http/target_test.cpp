// The rule of prefix routes: no path that proxy and backend could resolve differently.
#include "proxy/http/target.h"

#include "tests/support/hf_test.h"

using namespace holdfast;
using namespace holdfast::proxy::http;

HF_TEST(plain_paths_are_unambiguous) {
  for (const std::string_view path : {"/", "/a", "/a/", "/a/b.c/..d/e..", "/...", "/a/.b",
                                      "/%41%20", "/a;b=c/d", "/%252e", "*"}) {
    if (!path_is_unambiguous(path)) HF_FAIL(std::string(path));
  }
}

HF_TEST(dot_segments_empty_segments_and_encoded_separators_are_ambiguous) {
  for (const std::string_view path :
       {"/.", "/..", "/a/./b", "/a/../b", "/a/..", "/a/.", "//", "//a", "/a//b", "/a//", "/%2e",
        "/%2E%2e", "/a%2fb", "/a%2Fb", "/a%5cb", "/a%5C", "/..;x", "/a/.;/b", "/a/%2e%2e/b"}) {
    if (path_is_unambiguous(path)) HF_FAIL(std::string(path));
  }
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(plain_paths_are_unambiguous),
      HF_UNIT(dot_segments_empty_segments_and_encoded_separators_are_ambiguous),
  };
  return HF_RUN(tests);
}
