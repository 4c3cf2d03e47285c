// Two hosts with a cable between them that a test can pull: network namespaces, made by the test
// for itself and gone with it. The test and every program it starts are on the near
// host, 10.77.0.1; connections can be made from the far one. Needs root or user namespaces, and the
// program ip; one per process, entered before there are threads.
#pragma once

#include <optional>

#include "common/unique_fd.h"
#include "tests/support/connection.h"

namespace holdfast::test {

inline constexpr const char *kNearHost = "10.77.0.1";

class TwoHosts {
 public:
  // Moves the calling process to the near host. nullopt, and the reason on stderr, where that is
  // not possible.
  static std::optional<TwoHosts> enter();

  // A connection from the far host to a port of the near one.
  Connection dial(uint16_t port) const;
  // The cable: whoever is on the far host neither hears nor is heard from, as when it lost power.
  void cut() const;
  void mend() const;

 private:
  TwoHosts() = default;
  bool build();
  UniqueFd near_;
  UniqueFd far_;
};

}  // namespace holdfast::test
