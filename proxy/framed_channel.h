// Short messages between two processes of ours over a SOCK_SEQPACKET pair: a word, a number, a
// text, and descriptors beside them (SCM_RIGHTS). Who says which word is for master_channel.h
// (master and serving process) and upgrade_channel.h (two masters) to say. One thread on each side;
// never blocks.
//
// Two versions of the program speak it during an upgrade: the frame's layout stays.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/result.h"
#include "common/unique_fd.h"

namespace holdfast::proxy {

inline constexpr size_t kFrameTextBytesMax = 16 * 1024;
inline constexpr size_t kFrameFdsMax = 200;  // the kernel's bound is 253

template <class Word>
struct Framed {
  Word word{};
  int64_t number = 0;
  std::string text;  // at most kFrameTextBytesMax
  std::vector<UniqueFd> fds;
};

// A connected, non-blocking pair.
Result<std::pair<UniqueFd, UniqueFd>> make_framed_channel();
// Borrows the descriptors. Errc::io.
Result<void> send_frame(int fd, uint8_t word, int64_t number, const std::string &text = {},
                        const std::vector<int> &fds = {});
// nullopt: nothing there. Errc::io: the other side is gone (sys_errno 0 at its end).
Result<std::optional<Framed<uint8_t>>> receive_frame(int fd);

// The same with the words of one conversation; what they are is not checked here.
template <class Word>
Result<std::optional<Framed<Word>>> receive_framed(int fd) {
  Result<std::optional<Framed<uint8_t>>> got = receive_frame(fd);
  if (!got) return got.error();
  if (!*got) return std::optional<Framed<Word>>{};
  Framed<uint8_t> &frame = **got;
  return std::optional<Framed<Word>>{Framed<Word>{static_cast<Word>(frame.word), frame.number,
                                                  std::move(frame.text), std::move(frame.fds)}};
}

}  // namespace holdfast::proxy
