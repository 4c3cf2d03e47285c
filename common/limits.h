// Bounds of both sockets, in one place with their reasons; each is reached by a test.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace holdfast {

// Link (PROTOCOL.md 1.1)
inline constexpr size_t kLinkLineBytesMax = 64 * 1024;         // the longest record is below 8 KiB
inline constexpr size_t kLinkQueueBytesMax = 4 * 1024 * 1024;  // beyond it a snapshot is cheaper
inline constexpr size_t kJsonDepthMax = 32;                    // our deepest message has 3
inline constexpr size_t kLinkTextBytesMax = 512;               // names, addresses, words
inline constexpr size_t kNodeBytesMax = 128;                   // as configured
inline constexpr size_t kLinkMessageBytesMax = 8 * 1024;       // outcome of a reload, for a person
inline constexpr size_t kLinkListMax = 256;                    // policies, methods, backends
inline constexpr int64_t kLinkNumberMax = int64_t{1} << 53;    // any clock can add it
inline constexpr size_t kUnackedEndsMax = 4096;
inline constexpr size_t kActivityPerLineMax = 500;
inline constexpr std::chrono::milliseconds kAdmitDeadline{1000};
// How long a request waits for what several proxies have to agree on (PROTOCOL.md 1.6): less than a
// person notices, far more than two round trips on this machine take.
inline constexpr std::chrono::milliseconds kSharedWaitMax{500};
inline constexpr std::chrono::milliseconds kLinkPingInterval{2000};
inline constexpr std::chrono::milliseconds kLinkSilenceMax{5000};
inline constexpr std::chrono::milliseconds kLinkRetryMin{50};
// Two seconds after sessiond is back its table has to be right: most of that is finding it.
inline constexpr std::chrono::milliseconds kLinkRetryMax{1000};

// Admin socket (PROTOCOL.md 2)
inline constexpr size_t kAdminLineBytesMax = 8 * 1024;
inline constexpr size_t kAdminQueueBytesMax = 16 * 1024 * 1024;  // `show sess` of 100,000 sessions
inline constexpr size_t kAdminConnectionsMax = 64;
inline constexpr std::chrono::milliseconds kHalfLineDeadline{10'000};

// A Unix socket path, with its NUL, must fit into sockaddr_un (108 bytes on Linux).
inline constexpr size_t kSocketPathBytesMax = 107;

// Session ids: ours have 32 characters, a backend's may be a signed token.
inline constexpr size_t kSessionIdBytesMax = 64;
inline constexpr size_t kBackendSessionBytesMax = 4096;
inline constexpr size_t kLinkTargetBytesMax = 8 * 1024;  // a request target is at most as long

// Text a client or user directive chose, as it is stored and shown.
inline constexpr size_t kUserBytesMax = 256;
inline constexpr size_t kClientNameBytesMax = 128;

}  // namespace holdfast
