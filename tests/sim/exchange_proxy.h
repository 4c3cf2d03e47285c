// One worker of holdfast-proxy and all it needs from its process, without sessiond: everything is
// admitted, nothing reported. One thread, which turns the worker's loop.
#pragma once

#include "common/clock.h"
#include "proxy/control.h"
#include "proxy/worker.h"
#include "tests/sim/exchange_world.h"

namespace holdfast::sim {

struct ExchangeWorld::Proxy {
  FakeClock clock;
  std::unique_ptr<proxy::BackendDirectory> backends = std::make_unique<proxy::BackendDirectory>();
  std::unique_ptr<proxy::BackendStats> stats = std::make_unique<proxy::BackendStats>();
  proxy::SessionRegistry registry{clock, stats.get()};
  proxy::LogFiles log_files;
  proxy::AddressLimit addresses;
  proxy::LegacyStreams legacy_streams;
  proxy::LegacyPlaces legacy_places;
  proxy::LegacyGuests legacy_guests;
  proxy::WorkerMailbox mailbox;
  std::vector<proxy::WorkerMailbox *> mailboxes{&mailbox};
  proxy::Control control{{}, clock, registry, *backends, mailboxes, {}};
  proxy::Worker worker{0,
                       {clock, registry, control, *backends, *stats, log_files, addresses,
                        legacy_streams, legacy_places, legacy_guests, mailboxes},
                       mailbox};

  explicit Proxy(const std::shared_ptr<const proxy::Config> &config) {
    (void)mailbox.post(proxy::SwapConfig{config, {}});  // ignoring: it is empty
  }
};

}  // namespace holdfast::sim
