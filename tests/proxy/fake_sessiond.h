// The far end of the link for tests: listens where sessiond would, records every message, says what
// the test tells it to. Lives in the test's own event loop.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

#include "common/limits.h"
#include "common/link_messages.h"
#include "common/unix_channel.h"
#include "common/unix_listener.h"

namespace holdfast::proxy::test {

class FakeSessiond : private UnixChannel::Handler {
 public:
  FakeSessiond(event_base *base, std::string path) : base_(base), path_(std::move(path)) {}
  ~FakeSessiond() override { vanish(); }

  void appear() {
    SocketOptions options;
    options.path = path_;
    auto bound = UnixSocket::bind(options);
    if (!bound) throw std::runtime_error(bound.error().message);
    socket_ = std::move(*bound);
    listener_ = std::make_unique<UnixListener>(
        base_, *socket_,
        [this](UniqueFd fd, const PeerCredentials &, PeerAccess) { accept(std::move(fd)); });
  }
  // As after kill -9: the connection ends, nobody listens any more.
  void vanish() {
    channel_.reset();
    listener_.reset();
    socket_.reset();
  }
  void hang_up() { channel_.reset(); }
  void read(bool on) { channel_->pause_reading(!on); }

  void say(const link::ToProxy &message) { say_raw(link::encode(message)); }
  void say_raw(const std::string &line) { (void)channel_->send(line); }
  // What follows a hello, with nothing to hand back.
  void welcome(std::vector<link::PolicyInfo> policies, std::vector<link::Record> restored = {}) {
    say(link::Welcome{link::kVersion, "test", std::move(policies), {}, "/run/holdfast/http.sock"});
    say(link::RestoredBegin{});
    for (link::Record &record : restored) say(link::Restored{std::move(record)});
    say(link::RestoredEnd{});
  }

  // Called with every message, after it was recorded.
  std::function<void(const link::ToSessiond &)> reply;

  bool connected() const { return channel_ != nullptr; }
  int connections() const { return connections_; }
  void forget() {
    heard_.clear();
    counts_ = {};
  }
  const std::vector<link::ToSessiond> &heard() const { return heard_; }
  template <class M>
  std::vector<M> all() const {
    std::vector<M> found;
    for (const link::ToSessiond &message : heard_) {
      if (const M *m = std::get_if<M>(&message)) found.push_back(*m);
    }
    return found;
  }
  // How many of them, at no cost however many there are.
  template <class M>
  size_t count() const {
    return counts_.at(link::ToSessiond(M{}).index());
  }
  template <class M>
  bool has() const {
    return count<M>() > 0;
  }

 private:
  void accept(UniqueFd fd) {
    ++connections_;
    UnixChannel::Handler &self = *this;
    channel_ = std::make_unique<UnixChannel>(base_, std::move(fd),
                                             ChannelLimits{kLinkLineBytesMax, 64 << 20, {}}, self);
  }
  void on_line(UnixChannel &, std::string_view line) override {
    auto message = link::decode_to_sessiond(line);
    heard_.push_back(message ? std::move(*message)
                             : link::Bye{"undecodable: " + std::string(line)});
    ++counts_.at(heard_.back().index());
    if (reply) reply(link::ToSessiond(heard_.back()));
  }
  void on_closed(UnixChannel &, const Error &) override { channel_.reset(); }

  event_base *base_;
  std::string path_;
  std::unique_ptr<UnixSocket> socket_;
  std::unique_ptr<UnixListener> listener_;
  std::unique_ptr<UnixChannel> channel_;
  std::vector<link::ToSessiond> heard_;
  std::array<size_t, std::variant_size_v<link::ToSessiond>> counts_{};
  int connections_ = 0;
};

}  // namespace holdfast::proxy::test
