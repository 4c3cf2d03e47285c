// The admin commands about the servers of upstreams.
#include <map>

#include "common/json_writer.h"
#include "common/log.h"
#include "common/units.h"
#include "sessiond/admin_handlers.h"
#include "sessiond/service_report.h"

namespace holdfast::sessiond {
namespace {

// Of HAProxy's first columns those that mean something here; its file has a version line first.
constexpr std::string_view kServersHeader =
    "1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight "
    "srv_iweight srv_time_since_last_change\n";

// HAProxy's numbers: 0 stopped, 2 running, 3 stopping softly.
int op_state(const BackendTotal &backend) {
  if (backend.state == ServerState::drain) return 3;
  return backend.up && backend.state == ServerState::ready ? 2 : 0;
}

// HAProxy's bits: 0x01 forced maintenance, 0x08 forced drain.
int admin_state(const BackendTotal &backend) {
  if (backend.state == ServerState::maint) return 0x01;
  return backend.state == ServerState::drain ? 0x08 : 0;
}

std::vector<std::string> upstream_names(const std::vector<BackendTotal> &backends) {
  std::vector<std::string> names;
  for (const BackendTotal &backend : backends) {
    if (names.empty() || names.back() != backend.upstream) names.push_back(backend.upstream);
  }
  return names;
}

std::string servers_text(const std::vector<BackendTotal> &backends) {
  std::string out(kServersHeader);
  std::map<std::string, int> servers;  // counted within their upstream
  int upstream_id = 0;
  std::string upstream;
  for (const BackendTotal &b : backends) {
    if (b.upstream != upstream) ++upstream_id;
    upstream = b.upstream;
    const int64_t changed_s = b.changed_ms.value_or(0) / 1000;
    out += std::to_string(upstream_id) + " " + b.upstream + " ";
    out += std::to_string(++servers[b.upstream]) + " " + b.server + " " + b.server + " ";
    out += std::to_string(op_state(b)) + " " + std::to_string(admin_state(b)) + " ";
    out += std::to_string(b.weight) + " " + std::to_string(b.weight) + " ";
    out += std::to_string(changed_s) + "\n";
  }
  return out;
}

// Reads `state WORD` or `weight N` into the event; false after call.fail() said what is wrong.
bool read_order(const AdminCall &call, SetServer &into) {
  const std::string &what = call.args[1];
  const std::string &value = call.args[2];
  if (what == "state") {
    into.state = from_word<ServerState>(value);
    if (into.state) return true;
    call.fail(AdminFault::usage, "\"" + value + "\" is not a state; ready, drain or maint");
  } else if (what == "weight") {
    const auto weight = parse_count(value, 0, kServerWeightMax);
    if (weight) {
      into.weight = static_cast<int64_t>(*weight);
      return true;
    }
    call.fail(AdminFault::usage, "weight: " + weight.error().message);
  } else {
    call.fail(AdminFault::usage, "\"" + what + "\" cannot be set; state and weight can");
  }
  return false;
}

}  // namespace

void show_backend(const AdminCall &call) {
  const auto names = upstream_names(backend_totals(call.service.core()));
  std::string out;
  if (call.json) {
    JsonWriter w(out);
    w.begin_array();
    for (const std::string &name : names) w.text(name);
    w.end_array();
    return call.answer(out + "\n");
  }
  out = "# name\n";
  for (const std::string &name : names) out += name + "\n";
  call.answer(std::move(out));
}

void show_servers(const AdminCall &call) {
  if (call.args[0] != "state") {
    return call.fail(AdminFault::usage, "usage: show servers state [UPSTREAM] [json]");
  }
  auto backends = backend_totals(call.service.core());
  if (call.args.size() == 2) {
    std::erase_if(backends, [&](const BackendTotal &b) { return b.upstream != call.args[1]; });
    if (backends.empty()) {
      return call.fail(AdminFault::not_found, "no upstream " + quoted(call.args[1], 80));
    }
  }
  if (!call.json) return call.answer(servers_text(backends));
  std::string out;
  JsonWriter w(out);
  write_backends(w, backends);
  call.answer(out + "\n");
}

void set_server(const AdminCall &call) {
  const Token token = call.service.new_token();
  SetServer order{token, call.args[0], {}, {}};
  if (!read_order(call, order)) return;
  const std::string text = call.args[1] + " " + call.args[2];
  log_info("event=admin_command command=set_server server={} {}={} uid={} pid={}",
           quoted(order.server), call.args[1], call.args[2], call.peer.uid, call.peer.pid);
  AdminCall later = call;
  later.args = {};  // the line they are part of will be gone
  const std::string server = order.server;
  call.service.submit(
      token, std::move(order), [call = std::move(later), server, text](const CommandDone &done) {
        if (done.outcome == CommandOutcome::not_found) {
          return call.fail(AdminFault::not_found,
                           "no server " + quoted(server, 80) + "; show servers state lists them");
        }
        if (!call.json) return call.answer("server " + server + " " + text + "\n");
        std::string out;
        JsonWriter w(out);
        w.begin_object().key("server").text(server).key("set").text(text).end_object();
        call.answer(out + "\n");
      });
}

}  // namespace holdfast::sessiond
