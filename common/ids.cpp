#include "common/ids.h"

#include <openssl/crypto.h>
#include <sys/random.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace holdfast {
namespace {

constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

constexpr std::array<bool, 256> make_id_bytes() {
  std::array<bool, 256> table{};
  for (const char c : std::string_view(kAlphabet)) table[static_cast<unsigned char>(c)] = true;
  return table;
}

void draw(void *out, size_t bytes) {
  auto *at = static_cast<unsigned char *>(out);
  while (bytes > 0) {
    const ssize_t n = getrandom(at, bytes, 0);
    if (n < 0) {
      if (errno == EINTR) continue;
      std::perror("getrandom");
      std::abort();
    }
    at += n;
    bytes -= static_cast<size_t>(n);
  }
}

// Random bytes drawn ahead, ten ids with one system call; what was handed out is wiped. Of a thread
// that does not outlive a fork, so that no two processes hand out the same.
class Pool {
 public:
  void take(unsigned char *out, size_t bytes) {
    if (left_ < bytes) {
      draw(bytes_.data(), bytes_.size());
      left_ = bytes_.size();
    }
    left_ -= bytes;
    std::memcpy(out, bytes_.data() + left_, bytes);
    OPENSSL_cleanse(bytes_.data() + left_, bytes);
  }

 private:
  std::array<unsigned char, 240> bytes_;
  size_t left_ = 0;
};

struct SipKey {
  uint64_t k0 = 0;
  uint64_t k1 = 0;
  SipKey() {
    draw(&k0, sizeof k0);
    draw(&k1, sizeof k1);
  }
};

uint64_t rotl(uint64_t x, int b) { return (x << b) | (x >> (64 - b)); }

// The reference SipHash-2-4 (Aumasson, Bernstein), over one contiguous input.
struct SipState {
  uint64_t v0, v1, v2, v3;
  explicit SipState(const SipKey &key)
      : v0(key.k0 ^ 0x736f6d6570736575U),
        v1(key.k1 ^ 0x646f72616e646f6dU),
        v2(key.k0 ^ 0x6c7967656e657261U),
        v3(key.k1 ^ 0x7465646279746573U) {}
  void round() {
    v0 += v1;
    v1 = rotl(v1, 13) ^ v0;
    v0 = rotl(v0, 32);
    v2 += v3;
    v3 = rotl(v3, 16) ^ v2;
    v0 += v3;
    v3 = rotl(v3, 21) ^ v0;
    v2 += v1;
    v1 = rotl(v1, 17) ^ v2;
    v2 = rotl(v2, 32);
  }
  void absorb(uint64_t m) {
    v3 ^= m;
    round();
    round();
    v0 ^= m;
  }
};

}  // namespace

std::string mint_session_id() {
  // A handle that begins like an option would be hard to name on a command line.
  thread_local Pool pool;
  std::array<unsigned char, 24> raw;
  do {
    pool.take(raw.data(), raw.size());
  } while (kAlphabet[raw[0] >> 2] == '-');
  std::string id;
  id.reserve(kSessionIdChars);
  for (size_t i = 0; i < raw.size(); i += 3) {
    const unsigned word = (unsigned{raw[i]} << 16) | (unsigned{raw[i + 1]} << 8) | raw[i + 2];
    for (int shift = 18; shift >= 0; shift -= 6) id += kAlphabet[(word >> shift) & 63];
  }
  return id;
}

std::string mint_instance_id() {
  std::array<unsigned char, 8> raw;
  draw(raw.data(), raw.size());
  std::string id;
  for (const unsigned char byte : raw) {
    id += "0123456789abcdef"[byte >> 4];
    id += "0123456789abcdef"[byte & 15];
  }
  return id;
}

bool is_session_id(std::string_view text) noexcept {
  static constexpr std::array<bool, 256> kIdBytes = make_id_bytes();
  if (text.size() != kSessionIdChars) return false;
  bool all = true;
  for (const char c : text) all &= kIdBytes[static_cast<unsigned char>(c)];
  return all;
}

uint64_t keyed_hash(std::string_view bytes) noexcept {
  static const SipKey key;
  SipState s(key);
  const size_t whole = bytes.size() & ~size_t{7};
  for (size_t i = 0; i < whole; i += 8) {
    uint64_t m = 0;
    std::memcpy(&m, bytes.data() + i, 8);
    s.absorb(m);
  }
  uint64_t last = uint64_t{bytes.size()} << 56;
  for (size_t i = whole; i < bytes.size(); ++i) {
    last |= uint64_t{static_cast<unsigned char>(bytes[i])} << (8 * (i - whole));
  }
  s.absorb(last);
  s.v2 ^= 0xff;
  for (int i = 0; i < 4; ++i) s.round();
  return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

bool equal_constant_time(std::string_view a, std::string_view b) noexcept {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace holdfast
