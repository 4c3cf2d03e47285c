// A doubly linked list whose links live in its members, so that a session can stand in several
// lists without an allocation for any of them. The list owns nothing: whoever owns the members
// takes them out before it destroys them. Pure; one thread.
#pragma once

#include <cstddef>

namespace holdfast::sessiond {

template <class T>
struct ListLink {
  T *prev = nullptr;
  T *next = nullptr;
};

// Order is that of insertion, never that of addresses or hashes: the core's decisions must not
// depend on either.
template <class T, ListLink<T> T::*Link>
class IntrusiveList {
 public:
  IntrusiveList() = default;
  IntrusiveList(const IntrusiveList &) = delete;
  IntrusiveList &operator=(const IntrusiveList &) = delete;

  bool empty() const noexcept { return first_ == nullptr; }
  size_t size() const noexcept { return size_; }
  T *front() const noexcept { return first_; }
  static T *next(const T &member) noexcept { return (member.*Link).next; }

  // REQUIRES: the member stands in no list of this link.
  void push_back(T &member) noexcept {
    (member.*Link) = {last_, nullptr};
    (last_ != nullptr ? (last_->*Link).next : first_) = &member;
    last_ = &member;
    ++size_;
  }
  void push_front(T &member) noexcept {
    (member.*Link) = {nullptr, first_};
    (first_ != nullptr ? (first_->*Link).prev : last_) = &member;
    first_ = &member;
    ++size_;
  }

  // REQUIRES: the member stands in this list.
  void erase(T &member) noexcept {
    const ListLink<T> at = member.*Link;
    (at.prev != nullptr ? (at.prev->*Link).next : first_) = at.next;
    (at.next != nullptr ? (at.next->*Link).prev : last_) = at.prev;
    (member.*Link) = {};
    --size_;
  }

 private:
  T *first_ = nullptr;
  T *last_ = nullptr;
  size_t size_ = 0;
};

}  // namespace holdfast::sessiond
