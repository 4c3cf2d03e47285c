// TLS on a descriptor: the four outcomes of a ByteStream, in both directions, over sockets that
// take little at a time; what each kind of end means; and whom a client believes.
#include "proxy/net/tls_stream.h"

#include <sys/ioctl.h>
#include <sys/socket.h>

#include <array>
#include <random>

#include "proxy/net/byte_stream.h"
#include "proxy/net/output.h"
#include "tests/support/certificates.h"
#include "tests/support/hf_test.h"

using namespace holdfast;
using namespace holdfast::proxy;
using holdfast::test::Authority;
using holdfast::test::Identity;

namespace {

constexpr int kTurnsMax = 100'000;           // of anything that two ends do in turns
constexpr size_t kRecordOverheadBytes = 22;  // TLS 1.3, AES-GCM: header, type, tag

const Authority &authority() {
  static const Authority made;
  return made;
}

TlsContext server_context(const Identity &identity) {
  TlsContext context = TlsContext::server();
  auto chain = parse_certificates(identity.certificate);
  auto key = parse_private_key(identity.key);
  HF_CHECK(chain && key && context.use(*chain, *key));
  return context;
}

TlsContext client_context(const std::string &trusted = authority().pem()) {
  TlsContext context = TlsContext::client();
  auto chain = parse_certificates(trusted);
  HF_CHECK(bool(chain));
  context.trust(*chain);
  return context;
}

// Both ends of a connection, in one thread: what one writes the other reads when asked.
struct Ends {
  ByteStream server;
  ByteStream client;

  static Ends plain(int send_buffer_bytes = 0) {
    std::array<int, 2> fds{};
    HF_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds.data()), 0);
    for (const int fd : fds) {
      if (send_buffer_bytes == 0) break;
      (void)::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &send_buffer_bytes, sizeof send_buffer_bytes);
    }
    return {ByteStream(UniqueFd(fds[0])), ByteStream(UniqueFd(fds[1]))};
  }
  static Ends tls(const TlsPeer &expected = {"a.example"}, const TlsContext &of_client = {},
                  const TlsContext &of_server = {}, TlsSessionSlot *slot = nullptr,
                  int send_buffer_bytes = 0) {
    static const TlsContext usual = server_context(authority().issue({"DNS:a.example"}));
    Ends ends = plain(send_buffer_bytes);
    ends.server.set_tls(
        TlsStream::accept(of_server ? of_server : usual, ends.server.fd(), TlsNameChooser{}));
    ends.client.set_tls(TlsStream::connect(of_client ? of_client : client_context(),
                                           ends.client.fd(), expected, slot));
    HF_CHECK(ends.server.tls() != nullptr && ends.client.tls() != nullptr);
    return ends;
  }
  // True when both ends are through.
  bool shake() {
    using Handshake = TlsStream::Handshake;
    for (int i = 0; i < kTurnsMax; ++i) {
      const Handshake here = client.tls()->handshake();
      const Handshake there = server.tls()->handshake();
      if (here == Handshake::failed || there == Handshake::failed) return false;
      if (here == Handshake::done && there == Handshake::done) return true;
    }
    return false;
  }
};

iovec piece(std::string_view text) { return {const_cast<char *>(text.data()), text.size()}; }

IoResult write(ByteStream &stream, std::string_view text) {
  const iovec all = piece(text);
  return stream.write({&all, 1});
}

struct Got {
  IoResult result;
  std::string bytes;
};
Got read(ByteStream &stream, size_t bytes_max = 64 * 1024) {
  Got got;
  got.bytes.resize(bytes_max);
  got.result = stream.read(got.bytes.data(), bytes_max);
  got.bytes.resize(got.result.bytes);
  return got;
}

size_t waiting_bytes(const ByteStream &stream) {
  int bytes = 0;
  HF_EQ(::ioctl(stream.fd(), FIONREAD, &bytes), 0);
  return static_cast<size_t>(bytes);
}

std::string pattern(size_t bytes) {
  std::mt19937 random(7);
  std::string text(bytes, '\0');
  for (char &c : text) c = static_cast<char>(random());
  return text;
}

// An end that gives what it is asked for in full: reads until the other side is through.
std::string carried(ByteStream &from, ByteStream &to, const std::string &text) {
  Output output;
  std::string arrived;
  const iovec all = piece(text);
  Output::Status status = output.write(from, {&all, 1});
  for (int i = 0; i < kTurnsMax && arrived.size() < text.size(); ++i) {
    HF_CHECK(status != Output::Status::failed);
    const Got got = read(to, 5000);
    HF_CHECK(got.result.status == IoStatus::ok || got.result.status == IoStatus::would_block);
    arrived += got.bytes;
    if (status == Output::Status::pending) status = output.flush(from);
  }
  HF_EQ(output.unsent_bytes(), 0u);
  HF_EQ(output.sent_bytes(), text.size());
  return arrived;
}

std::string why_refused(const TlsPeer &expected, const Identity &shown,
                        const std::string &trusted) {
  Ends ends = Ends::tls(expected, client_context(trusted), server_context(shown));
  HF_CHECK(!ends.shake());
  return ends.client.tls()->fault();
}

}  // namespace

HF_TEST(bytes_cross_in_order_over_sockets_that_take_little) {
  Ends ends = Ends::tls({"a.example"}, {}, {}, nullptr, 1);
  HF_CHECK(ends.shake());
  const std::string text = pattern(700'000);
  HF_CHECK(carried(ends.server, ends.client, text) == text);
  HF_CHECK(carried(ends.client, ends.server, text) == text);
}

HF_TEST(a_reader_that_stops_blocks_the_writer_and_nothing_is_lost) {
  Ends ends = Ends::tls({"a.example"}, {}, {}, nullptr, 1 << 16);
  HF_CHECK(ends.shake());
  const std::string text = pattern(1'000'000);
  const IoResult first = write(ends.server, text);
  HF_EQ(first.status, IoStatus::ok);
  HF_CHECK(first.bytes < text.size());
  const std::string_view rest = std::string_view(text).substr(first.bytes);
  HF_EQ(write(ends.server, rest).status, IoStatus::would_block);
  HF_CHECK(!ends.server.writes_when_readable());  // it waits for room, not for the peer
  std::string arrived;
  size_t sent = first.bytes;
  for (int i = 0; i < kTurnsMax && arrived.size() < text.size(); ++i) {
    arrived += read(ends.client).bytes;
    sent += write(ends.server, std::string_view(text).substr(sent)).bytes;
  }
  HF_CHECK(arrived == text);
}

HF_TEST(small_pieces_share_one_record) {
  Ends ends = Ends::tls();
  HF_CHECK(ends.shake());
  (void)read(ends.client);  // the tickets
  const std::array<iovec, 4> pieces = {piece("head "), piece(""), piece("and "), piece("body")};
  HF_EQ(ends.server.write(pieces).bytes, 13u);
  HF_EQ(waiting_bytes(ends.client), 13 + kRecordOverheadBytes);
  HF_EQ(read(ends.client).bytes, "head and body");
}

HF_TEST(one_read_takes_all_the_records_that_have_come) {
  Ends ends = Ends::tls();
  HF_CHECK(ends.shake());
  for (const char *text : {"one ", "two ", "three"})
    HF_EQ(write(ends.server, text).status, IoStatus::ok);
  HF_EQ(read(ends.client).bytes, "one two three");
  HF_CHECK(!ends.client.holds_input());
  HF_EQ(read(ends.client).result.status, IoStatus::would_block);
}

HF_TEST(what_a_read_leaves_behind_is_told_since_the_kernel_will_not) {
  Ends ends = Ends::tls();
  HF_CHECK(ends.shake());
  HF_EQ(write(ends.server, "0123456789").status, IoStatus::ok);
  HF_EQ(read(ends.client, 4).bytes, "0123");
  HF_EQ(waiting_bytes(ends.client), 0u);
  HF_CHECK(ends.client.holds_input());
  HF_EQ(read(ends.client, 64).bytes, "456789");
  HF_CHECK(!ends.client.holds_input());
}

HF_TEST(close_notify_is_the_end_behind_all_the_data) {
  Ends ends = Ends::tls();
  HF_CHECK(ends.shake());
  HF_EQ(write(ends.server, "last words").status, IoStatus::ok);
  ends.server.shutdown_write();
  HF_EQ(read(ends.client).bytes, "last words");
  HF_CHECK(ends.client.holds_input());  // the end came with them
  HF_EQ(read(ends.client).result.status, IoStatus::eof);
  HF_EQ(read(ends.client).result.status, IoStatus::eof);
  // Only one direction has ended.
  HF_EQ(write(ends.client, "thank you").status, IoStatus::ok);
  HF_EQ(read(ends.server).bytes, "thank you");
}

HF_TEST(an_end_without_close_notify_is_a_failure) {
  Ends ends = Ends::tls();
  HF_CHECK(ends.shake());
  HF_EQ(write(ends.server, "and then it").status, IoStatus::ok);
  HF_EQ(::shutdown(ends.server.fd(), SHUT_WR), 0);
  HF_EQ(read(ends.client).bytes, "and then it");
  HF_EQ(read(ends.client).result.status, IoStatus::failed);
  HF_EQ(ends.client.tls()->fault(), "connection closed without close_notify");
  HF_EQ(write(ends.client, "x").status, IoStatus::failed);
}

HF_TEST(garbage_on_an_open_connection_breaks_it_for_good) {
  Ends ends = Ends::tls();
  HF_CHECK(ends.shake());
  HF_EQ(::send(ends.server.fd(), "not a record, surely", 20, 0), 20);
  HF_EQ(read(ends.client).result.status, IoStatus::failed);
  HF_CHECK(!ends.client.tls()->fault().empty());
  HF_EQ(read(ends.client).result.status, IoStatus::failed);
  ends.client.shutdown_write();  // says nothing more, and does no harm
}

HF_TEST(a_write_in_mid_handshake_waits_for_the_peer) {
  Ends ends = Ends::tls();
  HF_EQ(write(ends.client, "too early").status, IoStatus::would_block);
  HF_CHECK(ends.client.writes_when_readable());
  HF_CHECK(ends.client.tls()->handshaking());
  HF_EQ(read(ends.server).result.status, IoStatus::would_block);
  HF_CHECK(!ends.server.reads_when_writable());
  HF_EQ(write(ends.client, "too early").status, IoStatus::ok);  // the same bytes again
  HF_CHECK(!ends.client.writes_when_readable());
  HF_EQ(read(ends.server).bytes, "too early");
}

HF_TEST(a_read_that_has_to_write_first_says_so) {
  Ends ends = Ends::tls();
  HF_EQ(read(ends.client).result.status, IoStatus::would_block);  // its hello is on the way
  const std::string junk(1 << 16, 'x');
  while (::send(ends.server.fd(), junk.data(), junk.size(), 0) > 0) {
  }
  HF_EQ(read(ends.server).result.status, IoStatus::would_block);  // no room for its answer
  HF_CHECK(ends.server.reads_when_writable());
}

HF_TEST(http_without_tls_is_recognised) {
  Ends ends = Ends::tls();
  ends.client.set_tls(nullptr);
  HF_EQ(write(ends.client, "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n").status, IoStatus::ok);
  HF_EQ(read(ends.server).result.status, IoStatus::failed);
  HF_CHECK(ends.server.tls()->met_plain_http());
}

HF_TEST(the_server_learns_the_name_and_may_choose_by_it) {
  static const TlsContext other = server_context(authority().issue({"DNS:b.example"}));
  struct Chooser {
    static TlsContext choose(const void *self, std::string_view name) {
      *static_cast<std::string *>(const_cast<void *>(self)) = name;
      return name == "b.example" ? other : TlsContext();
    }
  };
  Ends ends = Ends::tls({"b.example"});
  std::string asked;
  const TlsContext usual = server_context(authority().issue({"DNS:a.example"}));
  ends.server.set_tls(TlsStream::accept(usual, ends.server.fd(), {&Chooser::choose, &asked}));
  HF_CHECK(ends.shake());  // b.example's certificate was shown, or the client had refused
  HF_EQ(asked, "b.example");
  HF_EQ(ends.server.tls()->server_name(), "b.example");
}

HF_TEST(a_client_believes_only_a_trusted_certificate_for_the_right_name) {
  const Identity good = authority().issue({"DNS:a.example", "IP:127.0.0.1"});
  const Identity old = authority().issue({"DNS:a.example"}, std::chrono::seconds{-60});
  const std::string trusted = authority().pem();
  HF_EQ(why_refused({"b.example"}, good, trusted), "certificate verify failed: hostname mismatch");
  HF_EQ(why_refused({"127.0.0.2"}, good, trusted),
        "certificate verify failed: IP address mismatch");
  HF_EQ(why_refused({"a.example"}, old, trusted),
        "certificate verify failed: certificate has expired");
  HF_EQ(why_refused({"a.example"}, good, Authority("Somebody else").pem()),
        "certificate verify failed: unable to get local issuer certificate");
  for (const char *name : {"a.example", "127.0.0.1"}) {
    HF_CHECK(Ends::tls({name}, client_context(), server_context(good)).shake());
  }
}

HF_TEST(a_client_without_trust_believes_anybody) {
  const Identity other = Authority("Somebody else").issue({"DNS:c.example"});
  HF_CHECK(Ends::tls({"a.example"}, TlsContext::client(), server_context(other)).shake());
}

HF_TEST(a_session_is_resumed_from_its_slot) {
  const TlsContext of_client = client_context();
  const TlsContext of_server = server_context(authority().issue({"DNS:a.example"}));
  TlsSessionSlot slot;
  slot.context = of_client.get();
  Ends first = Ends::tls({"a.example"}, of_client, of_server, &slot);
  HF_CHECK(first.shake());
  HF_CHECK(!first.client.tls()->resumed());
  HF_EQ(read(first.client).result.status, IoStatus::would_block);  // takes the ticket
  HF_CHECK(slot.session != nullptr);
  Ends second = Ends::tls({"a.example"}, of_client, of_server, &slot);
  HF_CHECK(second.shake());
  HF_CHECK(second.client.tls()->resumed() && second.server.tls()->resumed());
}

HF_TEST(a_key_must_be_that_of_the_certificate) {
  const Identity one = authority().issue({"DNS:a.example"});
  const Identity two = authority().issue({"DNS:b.example"});
  TlsContext context = TlsContext::server();
  const auto used = context.use(*parse_certificates(one.certificate), *parse_private_key(two.key));
  HF_CHECK(!used);
  HF_EQ(used.error().message, "the key is not that of the certificate");
}

HF_TEST(what_is_no_pem_is_refused) {
  const Identity one = authority().issue({"DNS:a.example"});
  HF_EQ(parse_certificates(one.key).error().message, "it holds no certificate in PEM form");
  HF_EQ(parse_private_key(one.certificate).error().message, "it holds no private key in PEM form");
  std::string damaged = one.certificate;
  damaged.replace(40, 4, "????");
  HF_CHECK(!parse_certificates(damaged));
  HF_CHECK(!parse_certificates(one.certificate + damaged));
  const auto chain = parse_certificates(one.certificate + authority().pem());
  HF_CHECK(chain && chain->size() == 2);
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(bytes_cross_in_order_over_sockets_that_take_little),
      HF_UNIT(a_reader_that_stops_blocks_the_writer_and_nothing_is_lost),
      HF_UNIT(small_pieces_share_one_record),
      HF_UNIT(one_read_takes_all_the_records_that_have_come),
      HF_UNIT(what_a_read_leaves_behind_is_told_since_the_kernel_will_not),
      HF_UNIT(close_notify_is_the_end_behind_all_the_data),
      HF_UNIT(an_end_without_close_notify_is_a_failure),
      HF_UNIT(garbage_on_an_open_connection_breaks_it_for_good),
      HF_UNIT(a_write_in_mid_handshake_waits_for_the_peer),
      HF_UNIT(a_read_that_has_to_write_first_says_so),
      HF_UNIT(http_without_tls_is_recognised),
      HF_UNIT(the_server_learns_the_name_and_may_choose_by_it),
      HF_UNIT(a_client_believes_only_a_trusted_certificate_for_the_right_name),
      HF_UNIT(a_client_without_trust_believes_anybody),
      HF_UNIT(a_session_is_resumed_from_its_slot),
      HF_UNIT(a_key_must_be_that_of_the_certificate),
      HF_UNIT(what_is_no_pem_is_refused),
  };
  return HF_RUN(tests);
}
