// Any bytes as proxy.conf and as sessiond.conf, a second file to include and -g after NUL bytes.
// Nothing may crash; a configuration that is accepted must have a dump that is accepted too.
#include <cstdlib>
#include <string>

#include "common/conf_dump.h"
#include "proxy/config.h"
#include "sessiond/config.h"
#include "tests/support/memory_conf_source.h"

using namespace holdfast;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

std::string take_part(std::string &rest) {
  const size_t end = std::min(rest.find('\0'), rest.size());
  std::string part = rest.substr(0, end);
  rest.erase(0, end + 1);
  return part;
}

test::MemoryConfSource world(const ConfRequest &request, const std::string &conf) {
  test::MemoryConfSource source;
  source.files[request.path] = conf;
  source.hosts["b.example"] = {"10.0.0.1", "::1"};
  source.users["root"] = 0;
  source.variables = {{"A", "value"}, {"B", "; } {"}};
  return source;
}

template <class Load>
void check(Load load, const std::string &conf, const std::string &included,
           const std::string &directives) {
  ConfRequest request = test::request_for("f.conf");
  request.directives = directives;
  test::MemoryConfSource source = world(request, conf);
  source.files["/etc/holdfast/i"] = included;
  source.globs["/etc/holdfast/*"] = {"/etc/holdfast/i"};
  const auto loaded = load(request, source);
  require((loaded.config != nullptr) == loaded.report.ok());
  const std::string text = loaded.report.text(loaded.tree.files, "fuzz");
  require(loaded.report.ok() || !text.empty());
  const std::string dump = dump_conf(loaded.tree, true);
  if (!loaded.config || !directives.empty()) return;
  test::MemoryConfSource again = world(request, dump);
  require(load(request, again).config != nullptr);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  std::string rest(data, data + size);
  const std::string conf = take_part(rest);
  const std::string included = take_part(rest);
  const std::string directives = take_part(rest);
  check(proxy::load_config, conf, included, directives);
  check(sessiond::load_config, conf, included, directives);
  return 0;
}
