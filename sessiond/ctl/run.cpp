#include "sessiond/ctl/run.h"

#include <istream>

namespace holdfast::ctl {

JsonReply ask_json(const Run &run, AdminWords words) {
  words.emplace_back("json");
  const Reply reply = run.client.ask(words);
  if (reply.exit != Exit::done) return {run.fail(reply), nullptr};
  auto value = json_parse(reply.text);
  if (!value) return {run.fail(Exit::failed, "the daemon's answer: " + value.error().message), {}};
  return {Exit::done, *std::move(value)};
}

bool confirmed(const Run &run, const std::string &question) {
  if (run.options.yes) return true;
  if (!run.console.interactive) return false;
  run.console.err << question << " [y/N] " << std::flush;
  std::string answer;
  std::getline(run.console.in, answer);
  return answer == "y" || answer == "Y" || answer == "yes";
}

}  // namespace holdfast::ctl
