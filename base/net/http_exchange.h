// Exchange: one HTTP request and its answer on an open connection. For the .cc files of base/net.
#pragma once

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <functional>
#include <memory>

#include "base/net/byte_stream.h"
#include "base/net/http_words.h"

namespace bascule::net {

// A kept connection is used again within this time only: well below the server's idle time, so that it isn't
// closed at the other end while a request is on its way.
inline constexpr Duration kReuseFor = 30s;

// Its handlers hold it, so that a late one finds its memory after the asker has gone.
struct Exchange {
  Exchange(const HttpRequest& asked, const ClientOptions& options, std::shared_ptr<ByteStream> on,
           bool is_fresh);

  std::shared_ptr<ByteStream> stream;
  BeastRequest request;
  boost::beast::flat_buffer buffer;
  boost::beast::http::response_parser<boost::beast::http::string_body> parser;
  error_code write_error;
  error_code error;
  const bool fresh;       // on a connection of its own
  bool answered = false;  // the response's header has come
  bool done = false;
  std::function<void()> finished;  // called once, when it is done; may be empty

  bool keeps_connection() const;  // when it went well
  // A kept connection that was closed while we asked: what only reads may be asked again on another one.
  bool may_retry() const;
  Error why_failed(const ClientOptions& options) const;
};
void perform(const std::shared_ptr<Exchange>& exchange);

bool is_request(const HttpRequest& request);  // by its method and target
Error why_not_connected(const ClientOptions& options, const ByteStream& stream, const error_code& error);

}  // namespace bascule::net
