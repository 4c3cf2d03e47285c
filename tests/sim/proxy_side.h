// A proxy's serving process as the world drives it: what clients and backends do comes in as calls,
// what it says to sessiond goes out through its Outlet, what sessiond says comes in as messages.
// NaiveProxy is the obvious one, RegistryProxy the real parts of holdfast-proxy; both obey the same
// world. Owned by the world. One thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/close_reason.h"
#include "common/link_messages.h"

namespace holdfast::sim {

// A client's wish for a session.
struct Wish {
  std::string session;  // minted by the proxy
  std::string user;
  std::string policy;
  Transport transport = Transport::streamable;
  bool serve_alone = false;  // when_sessiond_down serve
};

class ProxySide {
 public:
  class Outlet {
   public:
    virtual ~Outlet() = default;
    // Queues a message on the present connection; false when the queue is full.
    virtual bool send(link::ToSessiond message) = 0;
    // Messages the queue still takes.
    virtual size_t room() const = 0;
    // The connection is of no use any more: it ends.
    virtual void hang_up() = 0;
    // The initialize may go to the backend now (true) or was refused.
    virtual void on_decided(const std::string &session, bool admitted) = 0;
    // A request that had to wait has begun.
    virtual void on_begun(const std::string &session, uint64_t exchange) = 0;
    // The proxy's word that a session is over, or not its own any more.
    virtual void on_ended(const std::string &session, EndReason reason) = 0;
  };

  virtual ~ProxySide() = default;

  // ---- the connection ----
  virtual void on_connected() = 0;
  virtual void on_disconnected() = 0;
  virtual void on_message(const link::ToProxy &message) = 0;
  virtual void on_drained() = 0;  // all that was queued has been written
  // Lets the present time take effect; wanted at due() at the latest.
  virtual void on_time() = 0;
  virtual std::optional<MonoTime> due() const = 0;
  // Snapshot and admissions are done, nothing waits to be reported.
  virtual bool settled() const = 0;

  // ---- clients and backends; sessions that are gone are ignored ----
  virtual void ask(const Wish &wish) = 0;
  virtual void give_up(const std::string &session) = 0;  // the client leaves while it waits
  virtual void bind(const Wish &wish) = 0;               // REQUIRES: decided, admitted
  virtual void release(const Wish &wish, ReleaseReason reason) = 0;  // as bind
  // What became of a request: `waiting` ends with on_begun or on_ended, within kSharedWaitMax.
  enum class Begin : uint8_t { begun, waiting, unknown };
  virtual Begin begin_request(const std::string &session, uint64_t exchange, bool counts) = 0;
  virtual void finish_request(const std::string &session, uint64_t exchange) = 0;
  virtual bool open_stream(const std::string &session, uint64_t exchange) = 0;  // false: not now
  virtual void close_stream(const std::string &session, uint64_t exchange) = 0;
  virtual void end(const std::string &session, EndReason reason) = 0;

  virtual bool holds(const std::string &session) const = 0;
  // Every session it holds, as it would tell it now.
  virtual std::vector<link::Record> records() const = 0;
};

}  // namespace holdfast::sim
