// The proxies' connections: accepts them on the control socket, turns lines into messages and back,
// keeps them awake with pings and closes the silent ones. Judges nothing; what a message means is
// the core's. Owned by Sessiond; borrows loop, socket, clock and handler. Loop thread only; never
// blocks. A connection ends by its peer, by close(), by silence, by a malformed line, or when its
// queue outgrows its bound.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "common/clock.h"
#include "common/ev_ptr.h"
#include "common/link_messages.h"
#include "common/log_limit.h"
#include "common/unix_channel.h"
#include "common/unix_listener.h"
#include "sessiond/core/session.h"

namespace holdfast::sessiond {

// Peers are our own proxies, so this bounds only mistakes.
inline constexpr size_t kProxyLinksMax = 256;

class ProxyLinks final : private UnixChannel::Handler {
 public:
  // Every call comes from the loop or from tend(), none from inside send() or close().
  class Handler {
   public:
    virtual ~Handler() = default;
    virtual void on_link_up(LinkId link) = 0;
    virtual void on_link_message(LinkId link, link::ToSessiond message) = 0;
    virtual void on_link_drained(LinkId link) = 0;  // all that was sent has been written
    virtual void on_link_down(LinkId link) = 0;     // the last word about this link
  };

  ProxyLinks(event_base *base, UnixSocket &socket, const Clock &clock, Handler &handler);
  ~ProxyLinks() override;
  ProxyLinks(const ProxyLinks &) = delete;
  ProxyLinks &operator=(const ProxyLinks &) = delete;

  // Unknown links are ignored: they may have ended meanwhile. A link whose queue is full is closed;
  // its proxy comes back with a snapshot.
  void send(LinkId link, const link::ToProxy &message);
  // Says `bye` and ends the connection; on_link_down follows.
  void close(LinkId link, std::string_view reason);

  // No new connections, and `bye` to those there are.
  void shut_down(std::string_view reason);
  size_t size() const noexcept { return links_.size(); }

  // Pings those that are due and closes the silent. Called by a timer every second; after a longer
  // pause (we were frozen) nobody is blamed for a silence nobody could have heard broken.
  void tend();

 private:
  struct Link {
    LinkId id = LinkId::none;
    std::unique_ptr<UnixChannel> channel;
    MonoTime heard{};
    MonoTime pinged{};
    bool closing = false;
  };

  void accept(UniqueFd fd, const PeerCredentials &peer);
  void on_line(UnixChannel &channel, std::string_view line) override;
  void on_closed(UnixChannel &channel, const Error &why) override;
  void on_drained(UnixChannel &channel) override;
  Link *find(LinkId id);
  Link *find(const UnixChannel &channel);
  static void on_tend_c(evutil_socket_t, short, void *self) noexcept {
    static_cast<ProxyLinks *>(self)->tend();
  }

  event_base *base_;
  const Clock &clock_;
  Handler &handler_;
  std::map<LinkId, Link> links_;
  uint64_t last_id_ = 0;
  int64_t last_ping_ = 0;
  LogLimit refused_log_;
  LogLimit malformed_log_;
  LogLimit closed_log_;
  MonoTime last_tend_;
  std::unique_ptr<UnixListener> listener_;
  EventPtr tend_event_;
};

}  // namespace holdfast::sessiond
