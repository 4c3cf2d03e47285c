// A demo backend that can be killed and started again where it was. One thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/pair.h"
#include "tests/support/scripted_backend.h"

namespace holdfast::test {

class Restartable {
 public:
  explicit Restartable(std::vector<std::string> args = {}) { start(std::move(args)); }

  uint16_t port() const { return port_.port(); }
  DemoBackend &now() { return *demo_; }
  void kill() { demo_.reset(); }  // SIGKILL
  void start(std::vector<std::string> args = {}) {
    args.insert(args.end(), {"--port", std::to_string(port())});
    demo_ = std::make_unique<DemoBackend>(std::move(args));
  }
  void restart(std::vector<std::string> args = {}) {
    kill();
    start(std::move(args));
  }
  int64_t seen(const char *kind) const {
    const Json count = demo_->state()["requests"][kind];
    return count.present() ? count.integer() : 0;
  }
  std::string last_header(const char *kind, const char *name) const {
    const Json value = demo_->state()["last"][kind]["headers"][name];
    return value.present() ? value.text() : "";
  }

 private:
  RefusingPort port_;
  std::unique_ptr<DemoBackend> demo_;
};

}  // namespace holdfast::test
