// Bounds of the HTTP codec; each is reached by a test. Sources: RFC 9110, 9112, 6585.
#pragma once

#include <cstddef>
#include <cstdint>

namespace holdfast::proxy::http {

inline constexpr size_t kRequestLineBytesMax = 8 * 1024;  // above: 414
inline constexpr size_t kHeadBytesMax = 32 * 1024;        // above: 431
inline constexpr size_t kFieldsMax = 100;                 // above: 431
inline constexpr size_t kFieldNameBytesMax = 256;         // above: 431
// Each option is looked up among all fields, so their product must stay small. Above: 400.
inline constexpr size_t kConnectionOptionsMax = 32;
inline constexpr size_t kMethodBytesMax = 32;                     // above: 501
inline constexpr size_t kReasonBytesMax = 256;                    // above: 502
inline constexpr size_t kSessionIdBytesMax = 4096;                // above: 400
inline constexpr uint64_t kChunkBytesMax = uint64_t{1} << 31;     // one chunk; above: 400
inline constexpr size_t kChunkExtensionBytesMax = 256;            // per chunk
inline constexpr size_t kChunkExtensionTotalBytesMax = 4 * 1024;  // per body
inline constexpr size_t kTrailerFieldsMax = 32;
inline constexpr size_t kTrailerBytesMax = 8 * 1024;
// A chunked body may have this many framing bytes, and so many more per decoded byte. Above: 400.
inline constexpr uint64_t kFramingOverheadBytes = 64 * 1024;
inline constexpr uint64_t kFramingOverheadPerByte = 8;

}  // namespace holdfast::proxy::http
