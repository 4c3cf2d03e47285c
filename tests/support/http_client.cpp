#include "tests/support/http_client.h"

#include <strings.h>

#include <algorithm>
#include <charconv>

#include "tests/support/hf_test.h"

namespace holdfast::test {
namespace {

bool same_name(std::string_view a, std::string_view b) {
  return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

bool has(const Headers &headers, std::string_view name) {
  return std::any_of(headers.begin(), headers.end(),
                     [&](const auto &header) { return same_name(header.first, name); });
}

ResponseHead parse_head(std::string_view text) {
  ResponseHead head;
  const std::string_view status_line = text.substr(0, text.find("\r\n"));
  if (!status_line.starts_with("HTTP/1.") || status_line.size() < 12) {
    HF_FAIL("not a status line: \"" + std::string(status_line) + "\"");
  }
  (void)std::from_chars(status_line.data() + 9, status_line.data() + 12, head.status);
  text.remove_prefix(status_line.size() + 2);
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find("\r\n"));
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) HF_FAIL("not a header: \"" + std::string(line) + "\"");
    std::string_view value = line.substr(colon + 1);
    while (value.starts_with(' ')) value.remove_prefix(1);
    head.headers.emplace_back(line.substr(0, colon), value);
    text.remove_prefix(line.size() + 2);
  }
  return head;
}

}  // namespace

std::string to_text(const Request &request) {
  std::string text = request.method + " " + request.target + " HTTP/1.1\r\n";
  if (!has(request.headers, "Host")) text += "Host: 127.0.0.1\r\n";
  for (const auto &[name, value] : request.headers) text += name + ": " + value + "\r\n";
  const bool framed =
      has(request.headers, "Content-Length") || has(request.headers, "Transfer-Encoding");
  if ((!request.body.empty() || request.method == "POST") && !framed) {
    text += "Content-Length: " + std::to_string(request.body.size()) + "\r\n";
  }
  return text + "\r\n" + request.body;
}

std::optional<std::string> ResponseHead::header(std::string_view name) const {
  for (const auto &[key, value] : headers) {
    if (same_name(key, name)) return value;
  }
  return std::nullopt;
}

size_t ResponseHead::count(std::string_view name) const {
  return static_cast<size_t>(std::count_if(headers.begin(), headers.end(), [&](const auto &header) {
    return same_name(header.first, name);
  }));
}

std::optional<ResponseHead> ResponseReader::read_head(Millis timeout) {
  const Deadline deadline(timeout);
  for (;;) {
    std::string &bytes = connection_.buffer();
    const size_t end = bytes.find("\r\n\r\n");
    if (end == std::string::npos) {
      if (!connection_.fill(deadline.left())) return std::nullopt;
      continue;
    }
    ResponseHead head = parse_head(std::string_view(bytes).substr(0, end + 2));
    bytes.erase(0, end + 4);
    if (head.status < 200) continue;
    choose_framing(head);
    return head;
  }
}

void ResponseReader::choose_framing(const ResponseHead &head) {
  if (head.count("Content-Length") + head.count("Transfer-Encoding") > 1) {
    HF_FAIL("an answer with more than one framing field");
  }
  if (head.status == 204 || head.status == 304) {
    end_ = BodyEnd::framed;
  } else if (head.header("Transfer-Encoding") == "chunked") {
    framing_ = Framing::chunked;
  } else if (const auto length = head.header("Content-Length"); length) {
    framing_ = Framing::length;
    (void)std::from_chars(length->data(), length->data() + length->size(), left_);
    if (left_ == 0) end_ = BodyEnd::framed;
  } else {
    framing_ = Framing::to_eof;
  }
}

bool ResponseReader::read_some(std::string &body, Millis timeout) {
  const Deadline deadline(timeout);
  while (end_ == BodyEnd::open) {
    if (decode(body)) return true;
    if (end_ != BodyEnd::open) break;
    if (connection_.fill(deadline.left())) continue;
    const bool reset = connection_.end() == PeerEnd::reset;
    end_ = reset ? BodyEnd::reset : framing_ == Framing::to_eof ? BodyEnd::to_eof : BodyEnd::cut;
  }
  return false;
}

bool ResponseReader::decode(std::string &body) {
  if (framing_ == Framing::chunked) return decode_chunked(body);
  std::string &bytes = connection_.buffer();
  const size_t take =
      framing_ == Framing::to_eof ? bytes.size() : std::min<uint64_t>(left_, bytes.size());
  body.append(bytes, 0, take);
  bytes.erase(0, take);
  if (framing_ == Framing::length) {
    left_ -= take;
    if (left_ == 0) end_ = BodyEnd::framed;
  }
  return take > 0;
}

bool ResponseReader::decode_chunked(std::string &body) {
  std::string &bytes = connection_.buffer();
  const size_t before = body.size();
  size_t at = 0;
  while (end_ == BodyEnd::open) {
    if (chunk_open_ && left_ > 0) {
      const size_t take = std::min<uint64_t>(left_, bytes.size() - at);
      if (take == 0) break;
      body.append(bytes, at, take);
      at += take;
      left_ -= take;
      continue;
    }
    const size_t eol = bytes.find("\r\n", at);
    if (eol == std::string::npos) break;
    const std::string_view line = std::string_view(bytes).substr(at, eol - at);
    at = eol + 2;
    if (chunk_open_) {
      if (!line.empty()) HF_FAIL("a chunk longer than its size");
      chunk_open_ = false;
    } else if (trailers_) {
      if (line.empty()) end_ = BodyEnd::framed;
    } else {
      const auto [rest, error] = std::from_chars(line.data(), line.data() + line.size(), left_, 16);
      if (error != std::errc{}) HF_FAIL("not a chunk size: \"" + std::string(line) + "\"");
      chunk_open_ = left_ > 0;
      trailers_ = left_ == 0;
    }
  }
  bytes.erase(0, at);
  return body.size() > before;
}

Response exchange(Connection &connection, const Request &request, Millis timeout) {
  const Deadline deadline(timeout);
  connection.send(to_text(request), timeout);
  ResponseReader reader(connection);
  const auto head = reader.read_head(deadline.left());
  if (!head) HF_FAIL("the connection ended without an answer to " + request.method);
  Response response;
  static_cast<ResponseHead &>(response) = *head;
  while (reader.read_some(response.body, deadline.left())) {
  }
  response.end = reader.end();
  return response;
}

Response fetch(uint16_t port, const Request &request, Millis timeout) {
  Connection connection = Connection::tcp(port);
  return exchange(connection, request, timeout);
}

Response fetch_unix(const std::string &path, const Request &request, Millis timeout) {
  Connection connection = Connection::unix_socket(path);
  return exchange(connection, request, timeout);
}

}  // namespace holdfast::test
