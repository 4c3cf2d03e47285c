# holdfast-demo-backend: a small MCP server of all three eras; run.sh and the tests use it.
hf_program(holdfast-demo-backend
  demo/control.cpp
  demo/demo.cpp
  demo/event_streams.cpp
  demo/exchanges.cpp
  demo/http_io.cpp
  demo/journal.cpp
  demo/later.cpp
  demo/legacy.cpp
  demo/main.cpp
  demo/modern.cpp
  demo/notices.cpp
  demo/options.cpp
  demo/rpc.cpp
  demo/sessions.cpp
  demo/streamable.cpp
  demo/tools.cpp
  demo/wire.cpp
  LINK hf_common PkgConfig::EVENT PkgConfig::EVENT_EXTRA PkgConfig::JANSSON)
