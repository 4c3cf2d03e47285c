# Every third-party library, as IMPORTED targets; a missing one fails naming its Debian package.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

# hf_require(TARGET MODULE DEBIAN_PACKAGE): PkgConfig::TARGET or a clear error.
function(hf_require target module package)
  pkg_check_modules(${target} QUIET IMPORTED_TARGET GLOBAL ${module})
  if(NOT ${target}_FOUND)
    message(FATAL_ERROR "${module} not found: apt-get install ${package} (or run scripts/setup.sh)")
  endif()
endfunction()

hf_require(EVENT libevent_core libevent-dev)
hf_require(EVENT_EXTRA libevent_extra libevent-dev)
hf_require(JANSSON jansson libjansson-dev)
hf_require(CRYPTO libcrypto libssl-dev)
hf_require(SSL libssl libssl-dev)
hf_require(SECCOMP libseccomp libseccomp-dev)
hf_require(XXHASH libxxhash libxxhash-dev)  # its header alone: see proxy/balance.cpp
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(Evhtp REQUIRED)
find_package(prometheus-cpp CONFIG REQUIRED)
find_package(CLI11 CONFIG REQUIRED)

# Verified tokens (session_user jwt). libjwt 3 has another API; without any, -t refuses such a
# configuration and names the package.
pkg_check_modules(JWT QUIET IMPORTED_TARGET GLOBAL "libjwt<3")
if(JWT_FOUND)
  option(HOLDFAST_JWT "Verify JSON web tokens with libjwt" ON)
else()
  option(HOLDFAST_JWT "Verify JSON web tokens with libjwt" OFF)
endif()
if(HOLDFAST_JWT AND NOT JWT_FOUND)
  message(FATAL_ERROR "libjwt not found: apt-get install libjwt-dev (or run scripts/setup.sh), or -DHOLDFAST_JWT=OFF")
endif()
if(HOLDFAST_TESTS)
  hf_require(CMOCKA cmocka libcmocka-dev)
endif()
