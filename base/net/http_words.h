// Between our HTTP messages and Beast's. For the .cc files of base/net.
#pragma once

#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>
#include <string>

#include "base/net/http.h"

namespace bascule::net {

using BeastRequest = boost::beast::http::request<boost::beast::http::string_body>;
using BeastResponse = boost::beast::http::response<boost::beast::http::string_body>;

template <class Text>
std::string text_of(const Text& text) {
  return std::string(text.data(), text.size());
}

HttpRequest to_request(BeastRequest request);  // without the peer
BeastRequest from_request(const HttpRequest& request, const std::string& host);
HttpResponse from_response(BeastResponse response);
BeastResponse to_response(HttpResponse response);

}  // namespace bascule::net
