// Server-Sent Events, as much as MCP needs: event name and data per event.
#pragma once

#include <string>
#include <string_view>

namespace holdfast::bench {

class SseParser {
 public:
  // Handler: void on_event(string_view name, string_view data).
  template <class Handler>
  void feed(std::string_view in, Handler &handler) {
    while (!in.empty()) {
      const size_t end = in.find('\n');
      if (end == std::string_view::npos) {
        line_.append(in);
        return;
      }
      if (line_.empty()) {
        take_line(in.substr(0, end), handler);
      } else {
        line_.append(in.substr(0, end));
        take_line(line_, handler);
        line_.clear();
      }
      in.remove_prefix(end + 1);
    }
  }

 private:
  static std::string_view value_after(std::string_view line, size_t name_bytes) {
    line.remove_prefix(name_bytes);
    if (line.starts_with(' ')) line.remove_prefix(1);
    return line;
  }

  template <class Handler>
  void take_line(std::string_view line, Handler &handler) {
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) {
      if (has_data_) handler.on_event(std::string_view(name_), std::string_view(data_));
      has_data_ = false;
      name_.clear();
      data_.clear();
    } else if (line.starts_with("data:")) {
      if (has_data_) data_ += '\n';
      data_.append(value_after(line, 5));
      has_data_ = true;
    } else if (line.starts_with("event:")) {
      name_.assign(value_after(line, 6));
    }  // id:, retry: and comments are of no use here
  }

  std::string line_;
  std::string name_;
  std::string data_;
  bool has_data_ = false;
};

}  // namespace holdfast::bench
