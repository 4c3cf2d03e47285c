// One run of holdfastctl as its verbs see it: options, the daemon, where to print, and the few
// steps all verbs share. Lives for the run; private to the verbs.
#pragma once

#include <ostream>
#include <string>

#include "common/json.h"
#include "sessiond/ctl/verbs.h"

namespace holdfast::ctl {

struct Run {
  const Options &options;
  Client &client;
  Console &console;

  bool wants_json() const { return options.output != Output::table; }
  Exit fail(Exit exit, const std::string &what) const {
    console.err << "holdfastctl: " << what << (what.ends_with('\n') ? "" : "\n");
    return exit;
  }
  Exit fail(const Reply &reply) const { return fail(reply.exit, reply.text); }
  void print(const std::string &text) const {
    if (!options.quiet) console.out << text;
  }
  void print_json(const json_t *value) const {
    print(options.output == Output::json_pretty ? json_dump_pretty(value) + "\n"
                                                : json_dump(value) + "\n");
  }
};

// Asks for JSON. The value is null when `exit` is not done, and the fault was printed.
struct JsonReply {
  Exit exit = Exit::done;
  JsonPtr value;
};
JsonReply ask_json(const Run &run, AdminWords words);

// True when the person agreed, or nobody need be asked.
bool confirmed(const Run &run, const std::string &question);

}  // namespace holdfast::ctl
