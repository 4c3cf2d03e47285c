// Where the requests of management locations go at sessiond's HTTP API.
#include "proxy/header_values.h"

#include "tests/support/hf_test.h"

using namespace holdfast;
using namespace holdfast::proxy;

namespace {

std::string target_of(Handler handler, std::string_view location_path, std::string_view path,
                      std::string_view query = {}) {
  Location location;
  location.handler = handler;
  location.path = location_path;
  http::RequestHead head;
  head.path = path;
  head.query = query;
  return management_target(location, head);
}

}  // namespace

HF_TEST(a_health_location_asks_for_the_page_its_path_ends_in) {
  HF_EQ(target_of(Handler::health, "/health", "/health"), "/health");
  HF_EQ(target_of(Handler::health, "/", "/live"), "/live");
  HF_EQ(target_of(Handler::health, "/probes/", "/probes/ready"), "/ready");
  HF_EQ(target_of(Handler::health, "/probes/", "/probes/"), "/health");
  HF_EQ(target_of(Handler::health, "/", "/anything/else"), "/health");
}

HF_TEST(a_health_location_forwards_no_query) {
  HF_EQ(target_of(Handler::health, "/health", "/health", "x=1"), "/health");
}

HF_TEST(a_metrics_location_is_one_page_wherever_it_stands) {
  HF_EQ(target_of(Handler::metrics, "/internal/metrics", "/internal/metrics", "a=b"), "/metrics");
}

HF_TEST(a_status_location_serves_the_tree_below_it) {
  HF_EQ(target_of(Handler::status, "/status", "/status"), "/");
  HF_EQ(target_of(Handler::status, "/status", "/status/"), "/");
  HF_EQ(target_of(Handler::status, "/status/", "/status/api/v1/sessions"), "/api/v1/sessions");
  HF_EQ(target_of(Handler::status, "/status", "/status/api/v1/sessions"), "/api/v1/sessions");
  HF_EQ(target_of(Handler::status, "/", "/page.css"), "/page.css");
}

HF_TEST(a_status_location_keeps_the_query) {
  HF_EQ(target_of(Handler::status, "/status/", "/status/sessions", "user=a&limit=5"),
        "/sessions?user=a&limit=5");
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(a_health_location_asks_for_the_page_its_path_ends_in),
      HF_UNIT(a_health_location_forwards_no_query),
      HF_UNIT(a_metrics_location_is_one_page_wherever_it_stands),
      HF_UNIT(a_status_location_serves_the_tree_below_it),
      HF_UNIT(a_status_location_keeps_the_query),
  };
  return HF_RUN(tests);
}
