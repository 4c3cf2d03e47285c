// The line between master and serving process: words, texts and descriptors arrive as sent, each
// message whole, and the end of either side is noticed.
#include "proxy/master_channel.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "tests/support/hf_test.h"

using namespace holdfast;
using namespace holdfast::proxy;

namespace {

struct Channel {
  std::pair<UniqueFd, UniqueFd> ends = *make_master_channel();
  int master() const { return ends.first.get(); }
  int child() const { return ends.second.get(); }

  // What the child gets next; the test fails when there is nothing.
  MasterMessage next() const {
    Result<std::optional<MasterMessage>> got = receive_message(child());
    HF_CHECK(got);
    HF_CHECK(got->has_value());
    return std::move(**got);
  }
};

size_t open_descriptors() {
  size_t count = 0;
  for (const auto &entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    count += entry.exists() || entry.is_symlink() ? 1 : 0;
  }
  return count;
}

bool same_file(int a, int b) {
  struct stat first {};
  struct stat second {};
  return fstat(a, &first) == 0 && fstat(b, &second) == 0 && first.st_dev == second.st_dev &&
         first.st_ino == second.st_ino;
}

}  // namespace

HF_TEST(every_word_number_and_text_arrives_as_sent) {
  const Channel channel;
  const std::string text("several\nlines \0 and a NUL", 25);
  for (const MasterWord word : {MasterWord::configure, MasterWord::listeners, MasterWord::stop,
                                MasterWord::logs, MasterWord::ready, MasterWord::configured,
                                MasterWord::reload_wanted, MasterWord::exit_wanted}) {
    for (const int64_t number : {int64_t{0}, int64_t{-1}, INT64_MAX, INT64_MIN}) {
      HF_CHECK(send_message(channel.master(), word, number, text));
      const MasterMessage got = channel.next();
      HF_EQ(got.word, word);
      HF_EQ(got.number, number);
      HF_EQ(got.text, text);
      HF_CHECK(got.fds.empty());
    }
  }
}

HF_TEST(messages_keep_their_order_and_their_borders) {
  const Channel channel;
  HF_CHECK(send_message(channel.master(), MasterWord::configured, 1, "first"));
  HF_CHECK(send_message(channel.master(), MasterWord::configured, 2));
  HF_CHECK(send_message(channel.child(), MasterWord::ready, 3));  // both directions
  HF_EQ(channel.next().text, "first");
  const MasterMessage second = channel.next();
  HF_EQ(second.number, 2);
  HF_EQ(second.text, "");
  const auto back = receive_message(channel.master());
  HF_CHECK(back && back->has_value());
  HF_EQ((*back)->word, MasterWord::ready);
}

HF_TEST(reading_without_a_message_waits_for_nothing) {
  const Channel channel;
  const auto got = receive_message(channel.child());
  HF_CHECK(got);
  HF_CHECK(!got->has_value());
}

HF_TEST(the_end_of_the_other_side_is_an_error_after_its_last_message) {
  Channel channel;
  HF_CHECK(send_message(channel.master(), MasterWord::stop, 1));
  channel.ends.first.reset();
  HF_EQ(channel.next().word, MasterWord::stop);
  const auto got = receive_message(channel.child());
  HF_CHECK(!got);
  HF_EQ(got.error().code, Errc::io);
  HF_EQ(got.error().sys_errno, 0);
  const auto sent = send_message(channel.child(), MasterWord::ready, 0);
  HF_CHECK(!sent);
  HF_EQ(sent.error().code, Errc::io);
}

HF_TEST(a_text_is_cut_at_its_bound) {
  const Channel channel;
  const std::string longest(kMasterTextBytesMax, 't');
  HF_CHECK(send_message(channel.master(), MasterWord::configured, 0, longest + "more"));
  HF_EQ(channel.next().text, longest);
}

HF_TEST(descriptors_arrive_as_the_same_files_and_close_with_the_message) {
  const Channel channel;
  const UniqueFd one = *make_memory_file("one");
  const UniqueFd two = *make_memory_file("two");
  const size_t before = open_descriptors();
  {
    HF_CHECK(send_message(channel.master(), MasterWord::configure, 2, "conf",
                          {one.get(), two.get(), one.get()}));
    const MasterMessage got = channel.next();
    HF_EQ(got.text, "conf");
    HF_EQ(got.fds.size(), size_t{3});
    HF_CHECK(same_file(got.fds[0].get(), one.get()));
    HF_CHECK(same_file(got.fds[1].get(), two.get()));
    HF_CHECK(same_file(got.fds[2].get(), one.get()));
    for (const UniqueFd &fd : got.fds) HF_CHECK((fcntl(fd.get(), F_GETFD) & FD_CLOEXEC) != 0);
  }
  HF_EQ(open_descriptors(), before);
}

HF_TEST(a_message_carries_the_most_descriptors_and_refuses_more) {
  const Channel channel;
  const UniqueFd file = *make_memory_file("x");
  std::vector<int> fds(kMasterFdsMax, file.get());
  HF_CHECK(send_message(channel.master(), MasterWord::listeners, 0, {}, fds));
  HF_EQ(channel.next().fds.size(), kMasterFdsMax);
  fds.push_back(file.get());
  const auto sent = send_message(channel.master(), MasterWord::listeners, 0, {}, fds);
  HF_CHECK(!sent);
  HF_EQ(sent.error().code, Errc::limit);
  const auto got = receive_message(channel.child());
  HF_CHECK(got && !got->has_value());  // nothing of it was sent
}

HF_TEST(a_memory_file_holds_any_text_and_can_be_read_again) {
  std::string text;
  for (int i = 0; i < 300'000; ++i) text += static_cast<char>(i * 31);
  for (const std::string &content : {std::string(), std::string("listen 80;\n"), text}) {
    const Result<UniqueFd> file = make_memory_file(content);
    HF_CHECK(file);
    for (int again = 0; again < 2; ++again) {
      const Result<std::string> read = read_memory_file(file->get());
      HF_CHECK(read);
      HF_CHECK(*read == content);
    }
  }
}

HF_TEST(a_memory_file_cannot_be_changed_by_whoever_gets_it) {
  const UniqueFd file = *make_memory_file("text");
  HF_CHECK(write(file.get(), "x", 1) < 0);
  HF_CHECK(ftruncate(file.get(), 1) < 0);
  HF_EQ(*read_memory_file(file.get()), "text");
}

HF_TEST(reading_what_is_no_file_is_an_error) {
  const auto read = read_memory_file(-1);
  HF_CHECK(!read);
  HF_EQ(read.error().code, Errc::io);
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(every_word_number_and_text_arrives_as_sent),
      HF_UNIT(messages_keep_their_order_and_their_borders),
      HF_UNIT(reading_without_a_message_waits_for_nothing),
      HF_UNIT(the_end_of_the_other_side_is_an_error_after_its_last_message),
      HF_UNIT(a_text_is_cut_at_its_bound),
      HF_UNIT(descriptors_arrive_as_the_same_files_and_close_with_the_message),
      HF_UNIT(a_message_carries_the_most_descriptors_and_refuses_more),
      HF_UNIT(a_memory_file_holds_any_text_and_can_be_read_again),
      HF_UNIT(a_memory_file_cannot_be_changed_by_whoever_gets_it),
      HF_UNIT(reading_what_is_no_file_is_an_error),
  };
  return HF_RUN(tests);
}
