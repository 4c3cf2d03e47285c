// Non-blocking IPv4 sockets of the bench tools. Every function ends the program on what no bench
// can go on without (see options.h), except connect_tcp, whose failures are counted.
#pragma once

#include <netinet/in.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "common/unique_fd.h"

namespace holdfast::bench {

// Nanoseconds of CLOCK_MONOTONIC. The mock stamps events with it and the load generator subtracts:
// both must run on the same machine.
uint64_t now_ns();

// Raises the open-file limit to the hard limit; returns the limit in force.
size_t raise_nofile();

sockaddr_in inet_address(const std::string &host, uint16_t port);
void set_nodelay(int fd);
UniqueFd listen_tcp(const std::string &host, uint16_t port);
uint16_t local_port(int fd);
UniqueFd accept_tcp(int listener);  // empty when nobody waits

struct ConnectOptions {
  unsigned source = 0;     // 0: the kernel chooses; N: from 127.0.0.(1+N)
  int receive_buffer = 0;  // SO_RCVBUF, 0: the kernel's default
};
// Starts a non-blocking connect. Several source addresses let tens of thousands of connections go
// to one port without running out of ephemeral ports. Empty on failure, reason in errno.
UniqueFd connect_tcp(const sockaddr_in &to, const ConnectOptions &options = {});

// The calls every tool makes the same way; `self` comes back in the event.
int make_epoll();
void epoll_set(int epoll, int operation, int fd, uint32_t events, void *self);

}  // namespace holdfast::bench
