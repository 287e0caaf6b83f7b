#include "base/net/byte_stream.h"
#include "base/net/http.h"
#include "base/net/http_exchange.h"

namespace bascule::net {
namespace {

using SteadyClock = std::chrono::steady_clock;

class TlsHttpClient final : public HttpClient {
 public:
  TlsHttpClient(ClientOptions options, HostPort to, std::shared_ptr<asio::ssl::context> tls)
      : options_(std::move(options)), to_(std::move(to)), tls_(std::move(tls)) {}
  ~TlsHttpClient() override { drop(); }

  Result<HttpResponse> request(const HttpRequest& request, Duration time) override;

 private:
  Result<HttpResponse> attempt(const HttpRequest& request, SteadyClock::time_point until, bool& retry);
  Status connect(SteadyClock::time_point until);
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
  stream_->connect(to_, {options_.expect_role, "", "", options_.fingerprint},
                   [outcome, stream = stream_](error_code error) { *outcome = error; });
  if (!run(until, [&outcome] { return outcome->has_value(); })) {
    drop();
    return failure(ErrorCode::timeout, options_.address + " didn't answer in time; is it up and reachable?");
  }
  const error_code error = **outcome;
  if (!error) return {};
  Error why = why_not_connected(options_, *stream_, error);
  drop();
  return failure(std::move(why));
}

Result<HttpResponse> TlsHttpClient::attempt(const HttpRequest& request, SteadyClock::time_point until,
                                            bool& retry) {
  const bool reused = can_reuse();
  if (!reused) {
    const Status connected = connect(std::min(until, SteadyClock::now() + options_.connect_time));
    if (!connected) return failure(connected.error());
  }
  const auto exchange = std::make_shared<Exchange>(request, options_, stream_, !reused);
  perform(exchange);
  const bool in_time = run(until, [&exchange] { return exchange->done; });
  if (!in_time) {
    drop();
    return failure(
        ErrorCode::unknown_outcome,
        options_.address +
            " took the request but didn't answer in time; look at what happened before repeating it");
  }
  if (exchange->error) {
    drop();
    retry = exchange->may_retry();
    return failure(exchange->why_failed(options_));
  }
  last_use_ = SteadyClock::now();
  if (!exchange->keeps_connection()) drop();
  return from_response(exchange->parser.release());
}

Result<HttpResponse> TlsHttpClient::request(const HttpRequest& request, Duration time) {
  if (!is_request(request))
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
