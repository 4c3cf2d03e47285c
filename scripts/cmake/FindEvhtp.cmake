# Finds libevhtp (Evhtp::evhtp). Debian's own CMake config asks for packages nobody ships, and its
# targets file names a library path that is not the multiarch one, hence this module.
find_path(EVHTP_INCLUDE_DIR evhtp/evhtp.h)
find_library(EVHTP_LIBRARY evhtp)
if(EVHTP_INCLUDE_DIR)
  file(STRINGS ${EVHTP_INCLUDE_DIR}/evhtp/evhtp.h _evhtp_version REGEX "define EVHTP_VERSION +\"")
  string(REGEX REPLACE ".*\"([0-9.]+)\".*" "\\1" EVHTP_VERSION "${_evhtp_version}")
endif()
pkg_check_modules(EVHTP_EVENT QUIET IMPORTED_TARGET GLOBAL
                  libevent_core libevent_extra libevent_openssl libevent_pthreads libssl libcrypto)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Evhtp
  REQUIRED_VARS EVHTP_LIBRARY EVHTP_INCLUDE_DIR EVHTP_EVENT_FOUND
  VERSION_VAR EVHTP_VERSION
  REASON_FAILURE_MESSAGE "apt-get install libevhtp-dev libevent-dev libssl-dev (or run scripts/setup.sh)")

if(Evhtp_FOUND AND NOT TARGET Evhtp::evhtp)
  add_library(Evhtp::evhtp UNKNOWN IMPORTED)
  set_target_properties(Evhtp::evhtp PROPERTIES
    IMPORTED_LOCATION ${EVHTP_LIBRARY}
    INTERFACE_INCLUDE_DIRECTORIES ${EVHTP_INCLUDE_DIR}
    INTERFACE_LINK_LIBRARIES PkgConfig::EVHTP_EVENT)
endif()
