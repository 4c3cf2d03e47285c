#include "tests/demo/journal.h"

#include <event2/keyvalq_struct.h>

#include <cctype>

namespace holdfast::demo {
namespace {

constexpr size_t kKindsMax = 1000;  // method names are the client's choice
constexpr size_t kBodyBytesMax = size_t{64} * 1024;

const char *word_of(evhttp_cmd_type method) {
  switch (method) {
    case EVHTTP_REQ_GET:
      return "GET";
    case EVHTTP_REQ_POST:
      return "POST";
    case EVHTTP_REQ_DELETE:
      return "DELETE";
    default:
      return "other";
  }
}

std::map<std::string, std::string> headers_of(evhttp_request *req) {
  std::map<std::string, std::string> headers;
  const evkeyvalq *input = evhttp_request_get_input_headers(req);
  for (const evkeyval *field = input->tqh_first; field != nullptr; field = field->next.tqe_next) {
    std::string name = field->key;
    for (char &c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    std::string &value = headers[name];
    value = value.empty() ? field->value : value + ", " + field->value;
  }
  return headers;
}

}  // namespace

void Journal::note(std::string_view kind, evhttp_request *req, std::string_view body) {
  if (kinds_.size() >= kKindsMax && !kinds_.contains(kind)) return;
  Kind &entry = kinds_[std::string(kind)];
  ++entry.count;
  entry.http_method = word_of(evhttp_request_get_command(req));
  entry.target = evhttp_request_get_uri(req);
  entry.headers = headers_of(req);
  entry.body = body.substr(0, kBodyBytesMax);
  entry.body_bytes = body.size();
}

JsonPtr Journal::counts() const {
  JsonPtr counts(json_object());
  for (const auto &[kind, entry] : kinds_) {
    json_object_set_new(counts.get(), kind.c_str(),
                        json_integer(static_cast<json_int_t>(entry.count)));
  }
  return counts;
}

JsonPtr Journal::last() const {
  JsonPtr all(json_object());
  for (const auto &[kind, entry] : kinds_) {
    JsonPtr headers(json_object());
    for (const auto &[name, value] : entry.headers) {
      json_object_set_new(headers.get(), name.c_str(), text_json(value).release());
    }
    json_object_set_new(
        all.get(), kind.c_str(),
        json_pack("{s:s, s:o, s:o, s:o, s:I}", "http_method", entry.http_method.c_str(), "target",
                  text_json(entry.target).release(), "headers", headers.release(), "body",
                  text_json(entry.body).release(), "body_bytes",
                  static_cast<json_int_t>(entry.body_bytes)));
  }
  return all;
}

}  // namespace holdfast::demo
