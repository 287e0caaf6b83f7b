#include "base/net/http_words.h"

#include <algorithm>

namespace bascule::net {
namespace {

namespace http = boost::beast::http;

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return text;
}

// A line break in a header's value would begin a header of the sender's choice; Beast throws on very long
// ones.
bool is_clean(const std::string& text) {
  return text.size() <= 8 * 1024 &&
         std::none_of(text.begin(), text.end(), [](char c) { return c == '\r' || c == '\n' || c == '\0'; });
}

std::map<std::string, std::string> headers_of(const http::fields& fields) {
  std::map<std::string, std::string> headers;
  for (const auto& field : fields) {
    std::string& value = headers[lower(text_of(field.name_string()))];
    value += (value.empty() ? "" : ", ") + text_of(field.value());
  }
  return headers;
}

void set_headers(http::fields& fields, const std::string& content_type,
                 const std::map<std::string, std::string>& headers) {
  if (!content_type.empty() && is_clean(content_type)) fields.set(http::field::content_type, content_type);
  for (const auto& [name, value] : headers)
    if (is_clean(name) && is_clean(value)) fields.set(name, value);
}

}  // namespace

HttpRequest to_request(BeastRequest request) {
  HttpRequest result;
  result.method = text_of(request.method_string());
  result.target = text_of(request.target());
  result.content_type = text_of(request[http::field::content_type]);
  result.headers = headers_of(request);
  result.body = std::move(request.body());
  return result;
}

BeastRequest from_request(const HttpRequest& request, const std::string& host) {
  BeastRequest result;
  result.version(11);
  result.method_string(request.method);
  result.target(request.target);
  set_headers(result, request.content_type, request.headers);
  result.set(http::field::host, host);
  result.body() = request.body;
  result.prepare_payload();
  return result;
}

HttpResponse from_response(BeastResponse response) {
  HttpResponse result;
  result.status = static_cast<int>(response.result_int());
  result.content_type = text_of(response[http::field::content_type]);
  result.headers = headers_of(response);
  result.body = std::move(response.body());
  return result;
}

BeastResponse to_response(HttpResponse response) {
  BeastResponse result;
  result.version(11);
  const bool possible = response.status >= 200 && response.status <= 599;
  result.result(possible ? static_cast<unsigned>(response.status) : 500U);
  if (response.status == 204 || response.status == 304) response.body.clear();
  set_headers(result, response.content_type, response.headers);
  result.body() = std::move(response.body);
  result.prepare_payload();
  return result;
}

}  // namespace bascule::net
