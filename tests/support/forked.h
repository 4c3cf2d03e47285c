// A body run in a process of its own, for what cannot be taken back: dropped privileges, filters.
// Checks inside fail the test outside, with their place. The test must have no other threads.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <string>

#include "common/unique_fd.h"
#include "tests/support/hf_test.h"

namespace holdfast::test {

// How the process ended, as waitpid() tells. The body's failure is written to `report`, if any.
template <class Body>
int status_of_a_fork(Body body, std::string *report = nullptr) {
  int ends[2];
  HF_EQ(pipe(ends), 0);
  UniqueFd reading(ends[0]);
  UniqueFd writing(ends[1]);
  const pid_t pid = fork();
  HF_CHECK(pid >= 0);
  if (pid == 0) {
    std::string failure;
    try {
      body();
    } catch (const TestFailure &t) {
      failure = std::string(t.file) + ":" + std::to_string(t.line) + ": " + t.what;
    } catch (const std::exception &e) {
      failure = e.what();
    }
    (void)!write(writing.get(), failure.data(), failure.size());  // ignoring: the status tells too
    _exit(failure.empty() ? 0 : 1);
  }
  writing.reset();
  char piece[512];
  for (ssize_t n = 0; (n = read(reading.get(), piece, sizeof piece)) > 0;) {
    if (report != nullptr) report->append(piece, static_cast<size_t>(n));
  }
  int status = 0;
  HF_EQ(waitpid(pid, &status, 0), pid);
  return status;
}

template <class Body>
void in_a_fork(Body body) {
  std::string report;
  const int status = status_of_a_fork(body, &report);
  if (!report.empty()) HF_FAIL("in the fork: " + report);
  HF_CHECK(WIFEXITED(status));
  HF_EQ(WEXITSTATUS(status), 0);
}

}  // namespace holdfast::test
