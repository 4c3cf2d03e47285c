// Stands between one connection of the management socket and libevhtp, whose parser must not be
// trusted with bytes that come in pieces (see http_head.h for what is checked). It takes over the
// bufferevent's callbacks, gathers one whole request, checks it, and hands it over in one call;
// what is refused never reaches libevhtp. One request a connection.
//
//   gathering ──complete and fine──▶ answering ──written──▶ (libevhtp frees the connection)
//       └──refused──▶ refusing ──written──▶ doomed        any error, deadline ──▶ doomed
//
// `doomed` is only reported: the owner frees the connection later, outside of every callback.
// Borrows the bufferevent, which must outlive *this. Loop thread only.
#pragma once

#include <event2/bufferevent.h>

#include <chrono>
#include <functional>

#include "common/ev_ptr.h"

namespace holdfast::sessiond {

// How long a request may take to arrive, and its answer to leave.
struct HttpDeadlines {
  std::chrono::milliseconds request{5000};
  std::chrono::milliseconds answer{10'000};
};

class HttpGuard {
 public:
  using OnDoomed = std::function<void()>;

  // Takes over the callbacks that are set on `bev`.
  HttpGuard(event_base *base, bufferevent *bev, const HttpDeadlines &deadlines, OnDoomed on_doomed);
  HttpGuard(const HttpGuard &) = delete;
  HttpGuard &operator=(const HttpGuard &) = delete;

 private:
  enum class State { gathering, answering, refusing, doomed };

  void on_readable();
  void on_drained();
  void on_event(short what);
  void refuse(int status);
  void doom();
  static void on_readable_c(bufferevent *, void *self) noexcept;
  static void on_drained_c(bufferevent *, void *self) noexcept;
  static void on_event_c(bufferevent *, short what, void *self) noexcept;
  static void on_deadline_c(evutil_socket_t, short, void *self) noexcept;

  bufferevent *bev_;
  HttpDeadlines deadlines_;
  OnDoomed on_doomed_;
  State state_ = State::gathering;
  bufferevent_data_cb theirs_read_ = nullptr;
  bufferevent_data_cb theirs_write_ = nullptr;
  void *theirs_ = nullptr;
  EventPtr deadline_event_;
};

}  // namespace holdfast::sessiond
