// Does the yardstick measure straight? Every mode must be free of errors against the mock itself,
// and every fault the mock can commit must be counted; with TLS as without.
#include <fstream>

#include "tests/bench/yardstick.h"
#include "tests/support/certificates.h"
#include "tests/support/hf_test.h"
#include "tests/support/temp_dir.h"

using namespace holdfast::test;

namespace {

using Args = std::vector<std::string>;

// The kinds of errors mcp-load counted, "none" for none.
std::string error_kinds(const Args &mock_args, Args load_args) {
  const Mock quick(mock_args);
  load_args.insert(load_args.end(), {"--seconds", "0.4", "--warmup", "0.1", "--setup-limit", "2"});
  return std::string(run_load(quick.port(), std::move(load_args))["error_kinds"].text());
}

void check_counted(const std::string &kind, const Args &mock_args, const Args &load_args) {
  const std::string kinds = error_kinds(mock_args, load_args);
  if (kinds.find(kind + "=") == std::string::npos)
    HF_FAIL("wanted " + kind + " of " + (mock_args.empty() ? "the mock" : mock_args.back()) +
            ", counted: " + kinds);
}

}  // namespace

HF_TEST(every_mode_is_free_of_errors_against_the_mock_itself) {
  const std::string mib = "1048576";
  HF_EQ(error_kinds({}, {"call", "--conns", "4"}), "none");
  HF_EQ(error_kinds({"--sse-response"}, {"call", "--conns", "4"}), "none");
  HF_EQ(error_kinds({"--delay-ms", "5"}, {"call", "--conns", "4"}), "none");
  HF_EQ(error_kinds({"--resp-bytes", mib},
                    {"big", "--conns", "2", "--req-bytes", mib, "--expect-bytes", mib}),
        "none");
  HF_EQ(error_kinds({}, {"churn", "--conns", "4"}), "none");
  HF_EQ(error_kinds({}, {"once", "--conns", "4"}), "none");
  HF_EQ(error_kinds({}, {"conns", "--conns", "200"}), "none");
  HF_EQ(error_kinds({}, {"idle", "--streams", "200"}), "none");
  HF_EQ(error_kinds({"--rate", "50"}, {"events", "--streams", "100"}), "none");
  HF_EQ(error_kinds({"--rate", "50"}, {"slow", "--streams", "4", "--slow", "4"}), "none");
  HF_EQ(error_kinds({}, {"legacy", "--conns", "4"}), "none");
}

HF_TEST(every_fault_of_the_mock_is_counted) {
  const Args call = {"call", "--conns", "4"};
  const Args events = {"events", "--streams", "100"};
  check_counted("http_503", {"--fault", "status"}, call);
  check_counted("closed", {"--fault", "close"}, call);
  check_counted("wrong_id", {"--fault", "id"}, call);
  check_counted("wrong_id", {"--sse-response", "--fault", "id"}, call);
  check_counted("no_session", {"--fault", "session"}, {"churn", "--conns", "4"});
  check_counted("lost", {"--rate", "50", "--fault", "lose"}, events);
  check_counted("reordered", {"--rate", "50", "--fault", "repeat"}, events);
}

// The files a mock and a load generator need to speak TLS.
class TlsFiles {
 public:
  explicit TlsFiles(const std::string &name = "DNS:localhost") {
    const Identity identity = authority_.issue({name});
    write("cert.pem", identity.certificate);
    write("key.pem", identity.key);
    write("trusted.pem", authority_.pem());
  }
  Args for_mock(Args args = {}) const {
    args.insert(args.end(), {"--tls", dir_.file("cert.pem"), "--tls-key", dir_.file("key.pem")});
    return args;
  }
  Args for_load(Args args) const {
    args.insert(args.end(), {"--tls", dir_.file("trusted.pem")});
    return args;
  }

 private:
  void write(const std::string &name, const std::string &text) const {
    std::ofstream(dir_.file(name)) << text;
  }

  Authority authority_;
  TempDir dir_;
};

HF_TEST(every_mode_of_the_tls_rows_is_free_of_errors_over_tls) {
  const TlsFiles tls;
  const std::string mib = "1048576";
  HF_EQ(error_kinds(tls.for_mock(), tls.for_load({"call", "--conns", "4"})), "none");
  HF_EQ(error_kinds(tls.for_mock(), tls.for_load({"once", "--conns", "4"})), "none");
  HF_EQ(error_kinds(tls.for_mock(), tls.for_load({"churn", "--conns", "4"})), "none");
  // Answers and requests of many records, which the socket takes in pieces.
  HF_EQ(
      error_kinds(tls.for_mock({"--resp-bytes", mib}),
                  tls.for_load({"big", "--conns", "2", "--req-bytes", mib, "--expect-bytes", mib})),
      "none");
  HF_EQ(error_kinds(tls.for_mock({"--rate", "50"}), tls.for_load({"events", "--streams", "50"})),
        "none");
}

HF_TEST(every_fault_of_the_mock_is_counted_over_tls) {
  const TlsFiles tls;
  const Args call = tls.for_load({"call", "--conns", "4"});
  check_counted("http_503", tls.for_mock({"--fault", "status"}), call);
  check_counted("closed", tls.for_mock({"--fault", "close"}), call);
  check_counted("wrong_id", tls.for_mock({"--fault", "id"}), call);
  check_counted("no_session", tls.for_mock({"--fault", "session"}), tls.for_load({"churn"}));
  check_counted("short_body", tls.for_mock({"--resp-bytes", "10"}),
                tls.for_load({"big", "--expect-bytes", "1000"}));
  check_counted("lost", tls.for_mock({"--rate", "50", "--fault", "lose"}),
                tls.for_load({"events", "--streams", "50"}));
}

// Who is not spoken to as it should be gives no figure at all.
HF_TEST(a_server_that_is_not_to_be_trusted_is_counted) {
  const TlsFiles tls;
  const TlsFiles others;
  const TlsFiles elsewhere("DNS:elsewhere.example");
  const Args once = {"once", "--conns", "2"};
  check_counted("tls", others.for_mock(), tls.for_load(once));
  check_counted("tls", elsewhere.for_mock(), elsewhere.for_load(once));
  check_counted("stuck", {}, tls.for_load(once));  // no TLS there: it waits for a request
  check_counted("closed", tls.for_mock(), once);   // no TLS here
}

HF_TEST(an_answer_shorter_than_expected_is_counted) {
  check_counted("short_body", {"--resp-bytes", "10"},
                {"big", "--conns", "2", "--expect-bytes", "1000"});
}

HF_TEST(churn_ends_after_the_sessions_it_was_asked_for) {
  const Mock quick;
  const Json result =
      run_load(quick.port(), {"churn", "--conns", "4", "--sessions", "500", "--warmup", "0.1"});
  HF_EQ(result["error_kinds"].text(), "none");
  HF_CHECK(figure(result, "sessions") >= 500);
  HF_CHECK(figure(result, "sessions") < 600);
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(every_mode_is_free_of_errors_against_the_mock_itself),
      HF_UNIT(every_fault_of_the_mock_is_counted),
      HF_UNIT(every_mode_of_the_tls_rows_is_free_of_errors_over_tls),
      HF_UNIT(every_fault_of_the_mock_is_counted_over_tls),
      HF_UNIT(a_server_that_is_not_to_be_trusted_is_counted),
      HF_UNIT(an_answer_shorter_than_expected_is_counted),
      HF_UNIT(churn_ends_after_the_sessions_it_was_asked_for),
  };
  return HF_RUN(tests);
}
