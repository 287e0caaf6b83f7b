#include "base/net/http_exchange.h"

#include <algorithm>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>

namespace bascule::net {
namespace {

namespace http = boost::beast::http;

constexpr std::uint32_t kHeaderBytes = 64 * 1024;

bool is_word(const std::string& text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < '\x7f'; });
}

void finish(const std::shared_ptr<Exchange>& exchange, error_code error) {
  exchange->error = error;
  exchange->done = true;
  if (const auto finished = std::exchange(exchange->finished, nullptr)) finished();
}

void read_answer(const std::shared_ptr<Exchange>& exchange) {
  http::async_read_header(
      *exchange->stream, exchange->buffer, exchange->parser, [exchange](error_code error, std::size_t) {
        if (error) return finish(exchange, error);
        exchange->answered = true;
        http::async_read(*exchange->stream, exchange->buffer, exchange->parser,
                         [exchange](error_code failed, std::size_t) { finish(exchange, failed); });
      });
}

}  // namespace

Exchange::Exchange(const HttpRequest& asked, const ClientOptions& options, std::shared_ptr<ByteStream> on,
                   bool is_fresh)
    : stream(std::move(on)), request(from_request(asked, options.address)), fresh(is_fresh) {
  parser.body_limit(options.body_bytes);
  parser.header_limit(kHeaderBytes);
  parser.skip(asked.method == "HEAD");
}

bool Exchange::keeps_connection() const {
  return parser.get().keep_alive() && !write_error && buffer.size() == 0;
}

bool Exchange::may_retry() const {
  return !fresh && !answered && buffer.size() == 0 && request.method() == http::verb::get;
}

Error Exchange::why_failed(const ClientOptions& options) const {
  for (const error_code& told : {error, write_error})
    if (fresh && is_our_certificate_refused(told))
      return {ErrorCode::denied,
              options.address + ": " + describe_tls_error(told) + "; check " + options.tls.certificate};
  if (error == http::error::body_limit)
    return {ErrorCode::exhausted, "the answer of " + options.address + " exceeds " +
                                      std::to_string(options.body_bytes) + " bytes; ask for less"};
  return {ErrorCode::unknown_outcome,
          options.address + " took the request but didn't answer: " + stream->why(error)};
}

void perform(const std::shared_ptr<Exchange>& exchange) {
  http::async_write(*exchange->stream, exchange->request, [exchange](error_code error, std::size_t) {
    // A server that refuses the request half-way closes its end; what it answered before that is still to be
    // read.
    exchange->write_error = error;
    read_answer(exchange);
  });
}

bool is_request(const HttpRequest& request) {
  return is_word(request.method) && is_word(request.target) && request.target.front() == '/';
}

Error why_not_connected(const ClientOptions& options, const ByteStream& stream, const error_code& error) {
  const std::string why = stream.why(error);
  if (stream.refused_peer()) return {ErrorCode::denied, options.address + " isn't to be trusted: " + why};
  if (is_our_certificate_refused(error))
    return {ErrorCode::denied, options.address + ": " + why + "; check " + options.tls.certificate};
  return {ErrorCode::unavailable, options.address + " can't be reached: " + why};
}

}  // namespace bascule::net
