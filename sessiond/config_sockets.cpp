// The daemon's Unix sockets: PATH [mode=0660] [allow_uid=UID,NAME].
#include <array>

#include "common/units.h"
#include "sessiond/config_builder.h"

namespace holdfast::sessiond {

namespace {

std::string in_quotes(std::string_view text) { return '"' + std::string(text) + '"'; }

}  // namespace

SocketOptions ConfigBuilder::read_socket(const ConfDirective &directive, mode_t default_mode) {
  SocketOptions socket;
  socket.mode = default_mode;
  const ConfWord &path = directive.args.front();
  if (path.text == "off") {
    if (directive.row->name == "control_socket") {
      report_.error(path.span, "the control socket cannot be off: proxies need it");
    }
    return socket;
  }
  socket.path = read_socket_path(path.text, path.span, request_, report_);
  for (size_t i = 1; i < directive.args.size(); ++i) {
    const ConfWord &word = directive.args[i];
    const ConfParam param = split_param(word.text);
    if (param.name == "mode" && param.has_value) {
      read_mode(socket, word, param.value);
    } else if (param.name == "allow_uid" && param.has_value) {
      read_allowed_users(socket, word, param.value);
    } else {
      report_.error(word.span,
                    "invalid parameter " + in_quotes(word.text) + " (mode=, allow_uid=)");
    }
  }
  return socket;
}

void ConfigBuilder::read_mode(SocketOptions &socket, const ConfWord &word,
                              std::string_view digits) {
  const bool octal = digits.size() >= 3 && digits.size() <= 4 &&
                     digits.find_first_not_of("01234567") == std::string_view::npos;
  mode_t mode = 0;
  for (const char digit : digits) mode = mode * 8 + static_cast<mode_t>(octal ? digit - '0' : 0);
  if (octal && mode <= 0777) {
    socket.mode = mode;
  } else {
    report_.error(word.span, in_quotes(digits) + " is not a mode; write mode=0660");
  }
}

void ConfigBuilder::read_allowed_users(SocketOptions &socket, const ConfWord &word,
                                       std::string_view list) {
  for (bool more = true; more;) {
    const size_t comma = list.find(',');
    const std::string one(list.substr(0, comma));
    if (const auto number = parse_whole(one, 0, UINT32_MAX - 1)) {
      socket.allow_uids.push_back(static_cast<uid_t>(*number));
    } else if (const auto id = source_.user_id(one)) {
      socket.allow_uids.push_back(*id);
    } else {
      report_.error(word.span, id.error().message);
    }
    more = comma != std::string_view::npos;
    if (more) list.remove_prefix(comma + 1);
  }
}

void ConfigBuilder::check_sockets_differ() {
  struct Named {
    std::string_view name;
    const SocketOptions *socket;
  };
  const std::array<Named, 3> sockets{{{"control_socket", &config_.control_socket},
                                      {"admin_socket", &config_.admin_socket},
                                      {"http_socket", &config_.http_socket}}};
  for (size_t i = 1; i < sockets.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      const std::string &path = sockets[i].socket->path;
      if (path.empty() || path != sockets[j].socket->path) continue;
      // One of the two may be a default, which stands nowhere.
      const ConfSpan &later = sources_[sockets[i].name].span;
      const ConfSpan &span = later.has_file() ? later : sources_[sockets[j].name].span;
      report_.error(span, in_quotes(path) + " is named for two sockets");
    }
  }
}

}  // namespace holdfast::sessiond
