// Mailboxes lose no message, keep each sender's order, wake the worker, and are bounded.
#include "proxy/worker_mailbox.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <thread>

#include "tests/support/hf_test.h"

using namespace holdfast;
using namespace holdfast::proxy;

namespace {

bool readable(const WorkerMailbox &mailbox, int timeout_ms) {
  pollfd p{mailbox.fd(), POLLIN, 0};
  return poll(&p, 1, timeout_ms) == 1;
}

}  // namespace

HF_TEST(a_posted_message_wakes_the_worker_until_it_is_drained) {
  WorkerMailbox mailbox;
  HF_CHECK(!readable(mailbox, 0));
  HF_CHECK(mailbox.post(FinishExchange{7, EndReason::admin}));
  HF_CHECK(mailbox.post(DrainWorker{true}));
  HF_CHECK(readable(mailbox, 0));
  std::vector<WorkerMessage> got;
  mailbox.drain(got);
  HF_EQ(got.size(), size_t{2});
  HF_EQ(std::get<FinishExchange>(got[0]).exchange, uint64_t{7});
  HF_CHECK(std::get<DrainWorker>(got[1]).on);
  HF_CHECK(!readable(mailbox, 0));
}

HF_TEST(draining_replaces_what_was_there) {
  WorkerMailbox mailbox;
  std::vector<WorkerMessage> got(2);
  mailbox.drain(got);
  HF_CHECK(got.empty());
}

HF_TEST(what_a_burst_needed_is_given_back) {
  constexpr size_t kBurst = 100'000;
  WakeQueue<size_t> queue;
  for (size_t i = 0; i < kBurst; ++i) HF_CHECK(queue.post(size_t{i}, kBurst));
  std::vector<size_t> got;
  queue.drain(got);
  HF_EQ(got.size(), kBurst);
  for (int i = 0; i < 4; ++i) {  // both its memory and the receiver's have been in use by then
    HF_CHECK(queue.post(size_t{7}, kBurst));
    queue.drain(got);
    HF_EQ(got.size(), size_t{1});
  }
  HF_CHECK(got.capacity() < kBurst / 10);
}

HF_TEST(a_full_mailbox_refuses_and_accepts_again_after_draining) {
  WorkerMailbox mailbox;
  for (size_t i = 0; i < WorkerMailbox::kMessagesMax; ++i) HF_CHECK(mailbox.post(RestoreDone{}));
  HF_CHECK(!mailbox.post(RestoreDone{}));
  std::vector<WorkerMessage> got;
  mailbox.drain(got);
  HF_EQ(got.size(), WorkerMailbox::kMessagesMax);
  HF_CHECK(mailbox.post(RestoreDone{}));
}

HF_TEST(a_refused_configuration_takes_its_listeners_with_it) {
  WorkerMailbox mailbox;
  for (size_t i = 0; i < WorkerMailbox::kMessagesMax; ++i) HF_CHECK(mailbox.post(RestoreDone{}));
  int ends[2];
  HF_EQ(pipe2(ends, O_CLOEXEC), 0);
  const UniqueFd watched(ends[0]);
  SwapConfig swap;
  swap.listener_fds.emplace_back(ends[1]);
  HF_CHECK(!mailbox.post(std::move(swap)));
  pollfd p{watched.get(), POLLIN, 0};
  HF_EQ(poll(&p, 1, 0), 1);  // the other end is closed
  HF_CHECK((p.revents & POLLHUP) != 0);
}

HF_TEST(messages_of_several_threads_all_arrive_in_each_sender_s_order) {
  constexpr uint64_t kSenders = 4;
  constexpr uint64_t kEach = 5000;
  WorkerMailbox mailbox;
  std::vector<std::thread> senders;
  for (uint64_t s = 0; s < kSenders; ++s) {
    senders.emplace_back([&mailbox, s] {
      for (uint64_t i = 0; i < kEach; ++i) {
        (void)mailbox.post(AdmitAnswer{s * kEach + i, true, false, {}, 1});
      }
    });
  }
  std::vector<uint64_t> next(kSenders, 0);
  uint64_t received = 0;
  bool ordered = true;
  std::vector<WorkerMessage> got;
  while (received < kSenders * kEach && readable(mailbox, 10'000)) {
    mailbox.drain(got);
    for (const WorkerMessage &message : got) {
      const uint64_t number = std::get<AdmitAnswer>(message).exchange;
      ordered = ordered && next[number / kEach]++ == number % kEach;
      ++received;
    }
  }
  for (std::thread &sender : senders) sender.join();
  HF_EQ(received, kSenders * kEach);
  HF_CHECK(ordered);
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(a_posted_message_wakes_the_worker_until_it_is_drained),
      HF_UNIT(draining_replaces_what_was_there),
      HF_UNIT(what_a_burst_needed_is_given_back),
      HF_UNIT(a_full_mailbox_refuses_and_accepts_again_after_draining),
      HF_UNIT(a_refused_configuration_takes_its_listeners_with_it),
      HF_UNIT(messages_of_several_threads_all_arrive_in_each_sender_s_order),
  };
  return HF_RUN(tests);
}
