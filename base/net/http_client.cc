#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>

#include "base/net/byte_stream.h"
#include "base/net/http.h"
#include "base/net/http_words.h"

namespace bascule::net {
namespace {

namespace http = boost::beast::http;
using SteadyClock = std::chrono::steady_clock;

// A kept connection is used again within this time only: well below the server's idle time, so that it isn't
// closed at the other end while a request is on its way.
constexpr Duration kReuseFor = 30s;
constexpr std::uint32_t kHeaderBytes = 64 * 1024;

// One request on its way. Its handlers hold it, so that a late one finds its memory after the caller has
// gone.
struct Exchange {
  enum class Phase { connecting, writing, reading, done };
  Phase phase = Phase::connecting;
  std::shared_ptr<ByteStream> stream;
  BeastRequest request;
  boost::beast::flat_buffer buffer;
  http::response_parser<http::string_body> parser;
  error_code write_error;
  error_code error;
  bool fresh = true;      // on a connection of its own
  bool answered = false;  // the response's header has come
};

void read_answer(const std::shared_ptr<Exchange>& exchange) {
  exchange->phase = Exchange::Phase::reading;
  http::async_read_header(*exchange->stream, exchange->buffer, exchange->parser,
                          [exchange](error_code error, std::size_t) {
                            if (error) {
                              exchange->error = error;
                              exchange->phase = Exchange::Phase::done;
                              return;
                            }
                            exchange->answered = true;
                            http::async_read(*exchange->stream, exchange->buffer, exchange->parser,
                                             [exchange](error_code failed, std::size_t) {
                                               exchange->error = failed;
                                               exchange->phase = Exchange::Phase::done;
                                             });
                          });
}

void write_request(const std::shared_ptr<Exchange>& exchange) {
  exchange->phase = Exchange::Phase::writing;
  http::async_write(*exchange->stream, exchange->request, [exchange](error_code error, std::size_t) {
    // A server that refuses the request half-way closes its end; what it answered before that is still to be
    // read.
    exchange->write_error = error;
    read_answer(exchange);
  });
}

class TlsHttpClient final : public HttpClient {
 public:
  TlsHttpClient(ClientOptions options, HostPort to, std::shared_ptr<asio::ssl::context> tls)
      : options_(std::move(options)), to_(std::move(to)), tls_(std::move(tls)) {}
  ~TlsHttpClient() override { drop(); }

  Result<HttpResponse> request(const HttpRequest& request, Duration time) override;

 private:
  Result<HttpResponse> attempt(const HttpRequest& request, SteadyClock::time_point until, bool& retry);
  Status connect(SteadyClock::time_point until);
  Error failed_exchange(const Exchange& exchange) const;
  bool run(SteadyClock::time_point until, const std::function<bool()>& done);
  void drop();
  bool can_reuse();

  const ClientOptions options_;
  const HostPort to_;
  const std::shared_ptr<asio::ssl::context> tls_;
  asio::io_context io_{1};
  std::shared_ptr<ByteStream> stream_;
  SteadyClock::time_point last_use_{};
};

// False when `until` came first.
bool TlsHttpClient::run(SteadyClock::time_point until, const std::function<bool()>& done) {
  io_.restart();
  while (!done())
    if (io_.run_one_until(until) == 0) return done();
  return true;
}

void TlsHttpClient::drop() {
  if (!stream_) return;
  stream_->close();
  stream_.reset();
  io_.restart();
  io_.poll();  // the handlers of what was pending
}

bool TlsHttpClient::can_reuse() {
  return stream_ && SteadyClock::now() - last_use_ < kReuseFor && !stream_->has_input();
}

Status TlsHttpClient::connect(SteadyClock::time_point until) {
  drop();
  stream_ = std::make_shared<ByteStream>(tcp::socket(io_), *tls_);
  const auto outcome = std::make_shared<std::optional<error_code>>();
  stream_->connect(to_, "manager", [outcome, stream = stream_](error_code error) { *outcome = error; });
  if (!run(until, [&outcome] { return outcome->has_value(); })) {
    drop();
    return failure(ErrorCode::timeout, options_.address + " didn't answer in time; is it up and reachable?");
  }
  const error_code error = **outcome;
  if (!error) return {};
  const std::string why = stream_->why(error);
  const bool refused = stream_->refused_peer();
  drop();
  if (refused) return failure(ErrorCode::denied, options_.address + " isn't to be trusted: " + why);
  if (is_our_certificate_refused(error))
    return failure(ErrorCode::denied, options_.address + ": " + why + "; check " + options_.tls.certificate);
  return failure(ErrorCode::unavailable, options_.address + " can't be reached: " + why);
}

Error TlsHttpClient::failed_exchange(const Exchange& exchange) const {
  const error_code& error = exchange.error;
  for (const error_code& told : {error, exchange.write_error})
    if (exchange.fresh && is_our_certificate_refused(told))
      return {ErrorCode::denied,
              options_.address + ": " + describe_tls_error(told) + "; check " + options_.tls.certificate};
  if (error == http::error::body_limit)
    return {ErrorCode::exhausted, "the answer of " + options_.address + " exceeds " +
                                      std::to_string(options_.body_bytes) + " bytes; ask for less"};
  return {ErrorCode::unknown_outcome,
          options_.address + " took the request but didn't answer: " + exchange.stream->why(error)};
}

Result<HttpResponse> TlsHttpClient::attempt(const HttpRequest& request, SteadyClock::time_point until,
                                            bool& retry) {
  const bool reused = can_reuse();
  if (!reused) {
    const Status connected = connect(std::min(until, SteadyClock::now() + options_.connect_time));
    if (!connected) return failure(connected.error());
  }
  const auto exchange = std::make_shared<Exchange>();
  exchange->stream = stream_;
  exchange->fresh = !reused;
  exchange->request = from_request(request, options_.address);
  exchange->parser.body_limit(options_.body_bytes);
  exchange->parser.header_limit(kHeaderBytes);
  exchange->parser.skip(request.method == "HEAD");
  write_request(exchange);
  const bool in_time = run(until, [&exchange] { return exchange->phase == Exchange::Phase::done; });
  if (!in_time) {
    drop();
    return failure(
        ErrorCode::unknown_outcome,
        options_.address +
            " took the request but didn't answer in time; look at what happened before repeating it");
  }
  if (exchange->error) {
    drop();
    retry = reused && !exchange->answered && exchange->buffer.size() == 0 && request.method == "GET";
    return failure(failed_exchange(*exchange));
  }
  last_use_ = SteadyClock::now();
  const bool keep =
      exchange->parser.get().keep_alive() && !exchange->write_error && exchange->buffer.size() == 0;
  if (!keep) drop();
  return from_response(exchange->parser.release());
}

bool is_word(const std::string& text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < '\x7f'; });
}

Result<HttpResponse> TlsHttpClient::request(const HttpRequest& request, Duration time) {
  if (!is_word(request.method) || !is_word(request.target) || request.target.front() != '/')
    return failure(ErrorCode::invalid,
                   "\"" + request.method + " " + request.target + "\" is no HTTP request");
  const auto until = SteadyClock::now() + time;
  bool retry = false;
  auto response = attempt(request, until, retry);
  if (!response && retry) response = attempt(request, until, retry);
  return response;
}

}  // namespace

Result<std::unique_ptr<HttpClient>> HttpClient::make(ClientOptions options) {
  auto to = split_address(options.address);
  if (!to) return failure(to.error());
  auto tls = make_tls_context(options.tls, Side::client);
  if (!tls) return failure(tls.error());
  return std::unique_ptr<HttpClient>(
      std::make_unique<TlsHttpClient>(std::move(options), *std::move(to), *std::move(tls)));
}

}  // namespace bascule::net
