# hf_link: JSON, line sockets and the link's messages (PROTOCOL.md).
hf_library(hf_link
  admin_line.cpp
  json.cpp
  json_doc.cpp
  json_writer.cpp
  line_codec.cpp
  link_messages.cpp
  unix_channel.cpp
  unix_listener.cpp
  utf8.cpp
  LINK hf_common PkgConfig::JANSSON PkgConfig::EVENT)
