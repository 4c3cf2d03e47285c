# hf_sessiond_http: the management HTTP API (libevhtp behind a guard), metrics and the status page.
set(status_page_header ${CMAKE_CURRENT_BINARY_DIR}/generated/sessiond/status_page_html.h)
add_custom_command(
  OUTPUT ${status_page_header}
  COMMAND ${CMAKE_COMMAND} -DINPUT=${CMAKE_CURRENT_SOURCE_DIR}/status_page.html
          -DOUTPUT=${status_page_header} -DNAME=kStatusPageHtml -DNAMESPACE=holdfast::sessiond
          -P ${CMAKE_SOURCE_DIR}/scripts/cmake/EmbedText.cmake
  DEPENDS status_page.html ${CMAKE_SOURCE_DIR}/scripts/cmake/EmbedText.cmake)
add_custom_target(generated_headers DEPENDS ${status_page_header})  # for clang-tidy in a fresh tree
hf_library(hf_sessiond_http
  http_api.cpp
  http_guard.cpp
  http_head.cpp
  http_routes.cpp
  metrics.cpp
  status_page.cpp
  ${status_page_header}
  LINK hf_sessiond_admin hf_sandbox Evhtp::evhtp prometheus-cpp::core PkgConfig::CRYPTO)
target_include_directories(hf_sessiond_http PRIVATE ${CMAKE_CURRENT_BINARY_DIR}/generated)
