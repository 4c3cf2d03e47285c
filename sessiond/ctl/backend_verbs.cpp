#include "sessiond/ctl/backend_verbs.h"

#include "sessiond/ctl/render.h"

namespace holdfast::ctl {
namespace {

std::string name_of(const json_t *backend) {
  return json_get_text(backend, "upstream").value_or("") + "/" +
         json_get_text(backend, "server").value_or("");
}

// The backends `name` means: one server, or all of an upstream.
JsonPtr named(const json_t *backends, const std::string &name) {
  JsonPtr found(json_array());
  size_t index = 0;
  json_t *backend = nullptr;
  json_array_foreach(backends, index, backend) {
    if (name_of(backend) != name && json_get_text(backend, "upstream") != name) continue;
    (void)json_array_append(found.get(), backend);  // ignoring: printed as far as it got
  }
  return found;
}

// Goes on after a failure and exits with the worst, as terminate-session does.
Exit set_state(const Run &run, const char *state) {
  Exit worst = Exit::done;
  const JsonPtr all(json_array());
  for (const std::string &server : run.options.args) {
    JsonReply reply = ask_json(run, {"set", "server", server, "state", state});
    worst = worse(worst, reply.exit);
    if (reply.exit == Exit::unreachable) break;
    if (!reply.value) continue;
    if (!run.wants_json()) run.print(printable(server) + ": " + state + "\n");
    (void)json_array_append_new(all.get(), reply.value.release());  // ignoring: as above
  }
  if (run.wants_json()) run.print_json(all.get());
  return worst;
}

}  // namespace

Exit list_backends(const Run &run) {
  const JsonReply reply = ask_json(run, {"show", "servers", "state"});
  if (!reply.value) return reply.exit;
  if (run.wants_json()) {
    run.print_json(reply.value.get());
  } else {
    run.print(backend_table(reply.value.get(), run.options.legend));
  }
  return Exit::done;
}

Exit backend_status(const Run &run) {
  const JsonReply reply = ask_json(run, {"show", "servers", "state"});
  if (!reply.value) return reply.exit;
  Exit worst = Exit::done;
  const JsonPtr all(json_array());
  std::string text;
  for (const std::string &name : run.options.args) {
    const JsonPtr found = named(reply.value.get(), name);
    if (json_array_size(found.get()) == 0) {
      worst = worse(worst, run.fail(Exit::not_found, "no backend " + printable(name)));
    }
    size_t index = 0;
    json_t *backend = nullptr;
    json_array_foreach(found.get(), index, backend) {
      text += (text.empty() ? "" : "\n") + backend_details(backend);
      (void)json_array_append(all.get(), backend);  // ignoring: as above
    }
  }
  if (run.wants_json()) {
    run.print_json(all.get());
  } else {
    run.print(text);
  }
  return worst;
}

Exit drain_backend(const Run &run) { return set_state(run, "drain"); }
Exit disable_backend(const Run &run) { return set_state(run, "maint"); }
Exit enable_backend(const Run &run) { return set_state(run, "ready"); }

}  // namespace holdfast::ctl
