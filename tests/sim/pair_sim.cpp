// sessiond's core and the proxy's registry, admission room and ring of ends across a lossy link.
#include "tests/sim/registry_proxy.h"
#include "tests/sim/world_sim.h"

int main(int argc, char **argv) {
  using namespace holdfast;
  return sim::run_world(argc, argv, SEEDS_FILE,
                        [](const Clock &clock, sim::ProxySide::Outlet &outlet, std::string node,
                           std::string instance) -> std::unique_ptr<sim::ProxySide> {
                          return std::make_unique<sim::RegistryProxy>(
                              clock, outlet, std::move(node), std::move(instance));
                        });
}
