#include "sessiond/proxy_link.h"

#include <utility>

#include "common/limits.h"
#include "common/log.h"

namespace holdfast::sessiond {
namespace {

constexpr Millis kTendInterval{1000};
// A loop that ran later than this was frozen, not busy.
constexpr Millis kFrozenAfter{kLinkPingInterval};

ChannelLimits limits() {
  ChannelLimits out;
  out.line_bytes_max = kLinkLineBytesMax;
  out.queue_bytes_max = kLinkQueueBytesMax;
  return out;
}

}  // namespace

ProxyLinks::ProxyLinks(event_base *base, UnixSocket &socket, const Clock &clock, Handler &handler)
    : base_(base),
      clock_(clock),
      handler_(handler),
      last_tend_(clock.now()),
      listener_(std::make_unique<UnixListener>(
          base, socket,
          [this](UniqueFd fd, const PeerCredentials &peer, PeerAccess) {
            accept(std::move(fd), peer);
          },
          [](const std::string &trouble) {
            log_warn("event=link_trouble what={}", quoted(trouble));
          })),
      tend_event_(make_event(base, -1, EV_PERSIST, on_tend_c, this)) {
  add_timer(tend_event_.get(), kTendInterval);
}

ProxyLinks::~ProxyLinks() = default;

void ProxyLinks::accept(UniqueFd fd, const PeerCredentials &peer) {
  if (links_.size() >= kProxyLinksMax) {
    if (refused_log_.allow(clock_.now())) {
      log_warn("event=link_refused pid={} reason=\"{} proxies are linked already\" suppressed={}",
               peer.pid, links_.size(), refused_log_.suppressed());
    }
    return;  // closes fd
  }
  const auto id = static_cast<LinkId>(++last_id_);
  Link &link = links_[id];
  link.id = id;
  link.heard = link.pinged = clock_.now();
  UnixChannel::Handler &self = *this;
  link.channel = std::make_unique<UnixChannel>(base_, std::move(fd), limits(), self);
  handler_.on_link_up(id);
}

ProxyLinks::Link *ProxyLinks::find(LinkId id) {
  const auto at = links_.find(id);
  return at == links_.end() ? nullptr : &at->second;
}

// A handful of proxies: walking them is cheaper than a second index.
ProxyLinks::Link *ProxyLinks::find(const UnixChannel &channel) {
  for (auto &[id, link] : links_) {
    if (link.channel.get() == &channel) return &link;
  }
  return nullptr;
}

void ProxyLinks::send(LinkId id, const link::ToProxy &message) {
  Link *const link = find(id);
  if (link == nullptr || link->closing) return;
  if (link->channel->send(link::encode(message))) return;
  log_warn("event=link_overrun pid={} queued_bytes={} hint=\"closing; the proxy does not read\"",
           link->channel->peer().pid, link->channel->queued_bytes());
  link->closing = true;
  link->channel->close(false);
}

void ProxyLinks::close(LinkId id, std::string_view reason) {
  Link *const link = find(id);
  if (link == nullptr || link->closing) return;
  link->closing = true;
  // ignoring: a queue without room for it belongs to a peer that would not read it
  (void)link->channel->send(link::encode(link::ToProxy{link::Bye{std::string(reason)}}));
  link->channel->close(true);
}

void ProxyLinks::shut_down(std::string_view reason) {
  listener_.reset();
  for (const auto &[id, link] : links_) close(id, reason);
}

void ProxyLinks::tend() {
  const MonoTime now = clock_.now();
  const bool frozen = now - std::exchange(last_tend_, now) > kTendInterval + kFrozenAfter;
  for (auto &[id, link] : links_) {
    if (link.closing) continue;
    if (frozen) link.heard = now;
    if (now - link.heard >= kLinkSilenceMax) {
      log_warn("event=link_silent pid={} silent_ms={}", link.channel->peer().pid,
               (now - link.heard).count());
      link.closing = true;
      link.channel->close(false);
    } else if (now - link.pinged >= kLinkPingInterval) {
      link.pinged = now;
      send(id, link::Ping{++last_ping_});
    }
  }
}

void ProxyLinks::on_line(UnixChannel &channel, std::string_view line) {
  Link *const link = find(channel);
  if (link == nullptr || link->closing) return;
  link->heard = clock_.now();
  auto message = link::decode_to_sessiond(line);
  if (message) return handler_.on_link_message(link->id, *std::move(message));
  if (message.error().code == Errc::not_found) {
    return send(link->id, link::Unsupported{message.error().message});
  }
  if (malformed_log_.allow(clock_.now())) {
    log_warn("event=link_malformed pid={} error={} suppressed={}", channel.peer().pid,
             quoted(message.error().message), malformed_log_.suppressed());
  }
  close(link->id, message.error().message);
}

void ProxyLinks::on_drained(UnixChannel &channel) {
  if (const Link *const link = find(channel)) handler_.on_link_drained(link->id);
}

void ProxyLinks::on_closed(UnixChannel &channel, const Error &why) {
  const Link *const link = find(channel);
  if (link == nullptr) return;
  const LinkId id = link->id;
  if (closed_log_.allow(clock_.now())) {
    log_info("event=link_closed pid={} reason={} suppressed={}", channel.peer().pid,
             quoted(why.message), closed_log_.suppressed());
  }
  links_.erase(id);
  handler_.on_link_down(id);
}

}  // namespace holdfast::sessiond
