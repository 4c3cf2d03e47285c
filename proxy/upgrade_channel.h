// What two masters say to each other while one takes the other's place; old and new may be of
// different versions, so these numbers never change their meaning. One thread on each side.
//
//   old                                        new (forked by the old, then the program at its
//   path)
//                      ◀── listeners_wanted ──  has read its configuration, opened its logs
//   listener …, listeners_end ──▶               binds what is missing, starts its serving process
//                               ◀── serving ──  that one accepts, from the same sockets
//   keys ──▶                                    signs the pid file, hears `-s`
//                             ◀── took_over ──
//   stops accepting
//   sessions, all ──▶                           begins to accept, after 500 ms in any case
//   sessions … ──▶              ◀── sessions …  what begins at one, as it begins
//   finishes what it has begun, ends
//
// Until `took_over` either may call it off, `failed` or `abort`, and the old one serves on. The
// channel's end without a word means the other has crashed: the old one serves on; a new one that
// has the listeners takes over alone.
#pragma once

#include <cstdint>

#include "proxy/framed_channel.h"

namespace holdfast::proxy {

// The variable that carries the number of the new one's end of the channel.
inline constexpr const char *kUpgradeVariable = "HOLDFAST_UPGRADE_FD";
inline constexpr int64_t kUpgradeVersion = 1;

enum class UpgradeWord : uint8_t {
  // new → old
  listeners_wanted = 1,  // number: kUpgradeVersion
  serving = 2,
  took_over = 3,  // number: 1 with the keys, 0 it has its own; text: notes for whoever asked
  failed = 4,     // text: why, for a person
  // old → new
  listener = 16,  // text: Listener::text; fds: its sockets, more may follow under the same text
  listeners_end = 17,  // number: workers
  keys =
      18,  // text: the pid file's path; fds: it, the control socket, that one's lock. Empty: none
  abort = 19,  // text: why
  // either → other, after took_over
  sessions = 20,  // text, or a memory file, with lines of session_bequest.h
};

using UpgradeMessage = Framed<UpgradeWord>;

inline Result<void> say(int channel, UpgradeWord word, int64_t number = 0,
                        const std::string &text = {}, const std::vector<int> &fds = {}) {
  return send_frame(channel, static_cast<uint8_t>(word), number, text, fds);
}

}  // namespace holdfast::proxy
