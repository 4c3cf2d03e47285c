#include "proxy/worker_mailbox.h"

namespace holdfast::proxy {

bool WorkerMailbox::post(WorkerMessage message) {
  return queue_.post(std::move(message), kMessagesMax);
}

void WorkerMailbox::drain(std::vector<WorkerMessage> &out) { queue_.drain(out); }

}  // namespace holdfast::proxy
