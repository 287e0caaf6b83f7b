#include <algorithm>
#include <atomic>
#include <boost/asio/post.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/beast/websocket/rfc6455.hpp>
#include <optional>

#include "base/log.h"
#include "base/net/cards.h"
#include "base/net/http.h"
#include "base/net/http_body.h"
#include "base/net/http_words.h"
#include "base/net/pages.h"
#include "base/net/problem.h"
#include "base/net/websocket.h"

namespace bascule::net {
namespace {

namespace http = boost::beast::http;

constexpr Duration kHandshakeTime = 5s;  // strangers shall not hold a connection's place for long
constexpr Duration kClosingTime = 2s;
constexpr Duration kAcceptPause = 100ms;
constexpr unsigned kCardsEvery = 15;     // of the rechecks: dates pass slowly
constexpr Duration kRecheckPeriod = 2s;  // of whether those who are connected may still be
constexpr std::size_t kLongestTarget = 8 * 1024;

// Of what never reaches a handler, or gets no answer from it.
HttpResponse problem(int status, const std::string& what) {
  const ErrorCode code = status == 503   ? ErrorCode::unknown_outcome
                         : status == 500 ? ErrorCode::internal
                         : status == 404 ? ErrorCode::not_found
                                         : ErrorCode::invalid;
  return respond(make_problem(status, code, "The request can't be served", what));
}

// Lines about strangers: a scan of the port must not fill the log.
class LogBudget {
 public:
  bool spend() {
    const auto now = std::chrono::steady_clock::now();
    if (now - since_ > 10s) {
      since_ = now;
      left_ = kLines;
    }
    return left_-- > 0;
  }

 private:
  static constexpr int kLines = 20;  // in 10 s
  std::chrono::steady_clock::time_point since_{};
  int left_ = kLines;
};

// An open connection: how it is ended, and who is there.
struct Live {
  std::function<void(const std::string& why)> end;  // holds the connection too
  std::optional<Peer> peer{};                       // from the handshake on
  PeerChain card{};                                 // that they came with, if by one
};

// What connections need of their server. On the loop's thread, but for `loop`.
struct Shared {
  ServerOptions options;
  HttpHandler handler;
  std::shared_ptr<asio::ssl::context> tls;
  std::unique_ptr<CardTrust> cards;  // then its context counts, not `tls`
  bool cards_are_due = false;        // to be looked at again: their list has changed, or time has passed
  std::shared_ptr<Loop> loop = std::make_shared<Loop>();
  std::map<std::uint64_t, Live> live;
  std::map<std::string, std::size_t> of_address;  // how many of them; kept where that is bounded
  LogBudget log_budget;

  std::shared_ptr<asio::ssl::context> context() const { return cards ? cards->context() : tls; }
  PeerRule rule() const { return {options.admit_role, "", options.cards ? options.cards->policy : ""}; }

  // Why whoever is there may not be, or no longer; empty: they may.
  std::string why_not(const Live& one) const {
    if (!one.peer) return "";
    const std::string why = one.card && cards_are_due ? cards->why_not(one.card) : "";
    return why.empty() && options.why_not ? options.why_not(*one.peer) : why;
  }

  void forget(std::uint64_t id, const std::string& address) {
    live.erase(id);
    const auto counted = of_address.find(address);
    if (counted != of_address.end() && --counted->second == 0) of_address.erase(counted);
  }

  void refuse(const std::string& peer, const std::string& why) {
    if (log_budget.spend())
      log(LogLevel::warning, "net", "connection refused", {{"peer", peer}, {"reason", why}});
  }
};

// One connection: handshake, then requests one after the other; or it becomes a WebSocket.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(Shared& shared, std::uint64_t id, std::string address, tcp::socket socket)
      : shared_(shared),
        id_(id),
        address_(std::move(address)),
        stream_(std::make_unique<ByteStream>(std::move(socket), *shared.context())),
        buffer_(shared.options.http.header_bytes + 64 * 1024),
        deadline_(stream_->get_executor()) {}

  void start();
  void abort();

 private:
  const HttpLimits& limits() const { return shared_.options.http; }
  const WebSocketPath* websocket_at(const std::string& target) const;
  void on_handshake(error_code error);
  void await_request(Duration time);
  void read_header();
  void on_header(error_code error);
  void on_request(error_code error);
  void refuse_request(error_code error);
  bool upgrade();
  void call_handler();
  void replied(std::uint64_t turn, HttpResponse response);
  void answer(HttpResponse response, bool keep);
  void hand_over(HttpResponse response);
  void end();
  void drain();

  Shared& shared_;
  const std::uint64_t id_;
  const std::string address_;  // of the client, as network_of() has it
  std::unique_ptr<ByteStream> stream_;
  boost::beast::flat_buffer buffer_;
  Deadline deadline_;
  std::optional<http::request_parser<http::string_body>> parser_;
  http::response<http::string_body> response_;
  std::uint64_t turn_ = 0;  // of requests on this connection
  bool awaits_reply_ = false;
  bool keep_ = false;  // the client wants the connection kept
  bool head_ = false;  // it wants no body
  bool gone_ = false;
};

void Connection::start() {
  const auto self = shared_from_this();
  deadline_.set(std::min(kHandshakeTime, limits().request_time), [self] { self->abort(); });
  stream_->accept(shared_.rule(), [self](error_code error) { self->on_handshake(error); });
}

void Connection::abort() {
  if (std::exchange(gone_, true)) return;
  deadline_.cancel();
  if (stream_) stream_->close();
  shared_.forget(id_, address_);
}

void Connection::on_handshake(error_code error) {
  if (gone_) return;
  std::string refused = error ? stream_->why(error) : "";
  if (!error) {
    Live& live = shared_.live[id_];
    live.peer = stream_->peer();
    if (shared_.cards) live.card = chain_of(stream_->tls());
    refused = shared_.options.why_not ? shared_.options.why_not(*live.peer) : "";
  }
  if (refused.empty()) return await_request(limits().request_time);
  shared_.refuse(stream_->peer().address, refused);
  drain();
}

void Connection::await_request(Duration time) {
  const auto self = shared_from_this();
  if (buffer_.size() > 0) return read_header();  // the client sent two at once
  deadline_.set(time, [self] { self->abort(); });
  stream_->async_read_some(buffer_.prepare(4096), [self](error_code error, std::size_t size) {
    if (self->gone_) return;
    if (error) return self->end();
    self->buffer_.commit(size);
    self->read_header();
  });
}

void Connection::read_header() {
  const auto self = shared_from_this();
  parser_.emplace();
  head_ = false;
  parser_->header_limit(static_cast<std::uint32_t>(limits().header_bytes));
  parser_->body_limit(limits().body_bytes);
  deadline_.set(limits().request_time, [self] { self->abort(); });
  http::async_read_header(*stream_, buffer_, *parser_,
                          [self](error_code error, std::size_t) { self->on_header(error); });
}

void Connection::on_header(error_code error) {
  if (gone_) return;
  if (error) return refuse_request(error);
  if (parser_->get().target().size() > kLongestTarget)
    return answer(problem(414, "the target is longer than " + std::to_string(kLongestTarget) + " bytes"),
                  false);
  http::async_read(*stream_, buffer_, *parser_,
                   [self = shared_from_this()](error_code failed, std::size_t) { self->on_request(failed); });
}

void Connection::on_request(error_code error) {
  if (gone_) return;
  if (error) return refuse_request(error);
  if (!upgrade()) call_handler();
}

void Connection::refuse_request(error_code error) {
  if (error == http::error::header_limit)
    return answer(problem(431, "the header exceeds " + std::to_string(limits().header_bytes) + " bytes"),
                  false);
  if (error == http::error::body_limit)
    return answer(problem(413, "the body exceeds " + std::to_string(limits().body_bytes) + " bytes"), false);
  if (error == http::error::end_of_stream || error == http::error::partial_message) return end();
  if (error.category() == make_error_code(http::error::bad_method).category())
    return answer(problem(400, "not an HTTP request: " + error.message()), false);
  abort();
}

const WebSocketPath* Connection::websocket_at(const std::string& target) const {
  const auto& paths = shared_.options.websockets;
  const auto exact = paths.find(target);
  const auto beginning = paths.find(target.substr(0, target.rfind('/') + 1));
  const auto found = exact != paths.end() ? exact : beginning;
  return found == paths.end() ? nullptr : &found->second;
}

bool Connection::upgrade() {
  if (!boost::beast::websocket::is_upgrade(parser_->get())) return false;
  const std::string target = text_of(parser_->get().target());
  const auto header = [this](http::field name) { return text_of(parser_->get()[name]); };
  // A page of another site must not talk in the name of whose browser shows it (RFC 6455, 10.2).
  if (is_from_elsewhere(header(http::field::origin), "", header(http::field::host))) {
    answer(problem(403, "a page of another site asked for this"), false);
    return true;
  }
  const WebSocketPath* path = websocket_at(target);
  auto events = path ? path->door(target, stream_->peer()) : std::nullopt;
  if (!events) {
    answer(problem(404, "no WebSocket at this path"), false);
    return true;
  }
  deadline_.cancel();
  gone_ = true;
  Shared& shared = shared_;
  const std::uint64_t id = id_;
  const auto session =
      std::make_shared<WebSocketSession>(shared.loop, std::move(stream_), path->limits, std::move(*events),
                                         [&shared, id, address = address_] { shared.forget(id, address); });
  const auto request = parser_->release();
  shared.live[id].end = [session](const std::string& why) { session->abort(why); };
  session->accept(request, kHandshakeTime);
  return true;
}

void Connection::call_handler() {
  keep_ = parser_->get().keep_alive();
  head_ = parser_->get().method() == http::verb::head;
  HttpRequest request = to_request(parser_->release());
  request.peer = stream_->peer();
  const std::uint64_t turn = ++turn_;
  awaits_reply_ = true;
  const auto self = shared_from_this();
  deadline_.set(limits().request_time, [self, turn] {
    self->replied(turn, problem(503, "no answer in time; what was asked may still happen"));
  });
  const HttpReply reply = [loop = shared_.loop, weak = std::weak_ptr<Connection>(self),
                           turn](HttpResponse response) {
    loop->post([weak, turn, response = std::move(response)] {
      if (const auto connection = weak.lock()) connection->replied(turn, response);
    });
  };
  try {
    shared_.handler(std::move(request), reply);
  } catch (const std::exception& error) {
    log(LogLevel::error, "net", "handler failed", {{"peer", stream_->peer().name}, {"reason", error.what()}});
    reply(problem(500, "an internal error; the server's log says more"));
  }
}

void Connection::replied(std::uint64_t turn, HttpResponse response) {
  if (gone_ || turn != turn_ || !awaits_reply_) return;
  awaits_reply_ = false;
  if (response.goes_on && !head_) return hand_over(std::move(response));
  answer(std::move(response), keep_);
}

void Connection::hand_over(HttpResponse response) {
  deadline_.cancel();
  gone_ = true;
  Shared& shared = shared_;
  const std::uint64_t id = id_;
  const auto body = std::make_shared<BodySession>(
      shared.loop, std::move(stream_), [&shared, id, address = address_] { shared.forget(id, address); });
  shared.live[id].end = [body](const std::string&) { body->abort(); };
  body->begin(std::move(response));
}

void Connection::answer(HttpResponse response, bool keep) {
  const auto self = shared_from_this();
  response_ = to_response(std::move(response));
  response_.keep_alive(keep);
  if (head_) response_.body().clear();  // Content-Length stays as it would be
  deadline_.set(limits().request_time, [self] { self->abort(); });
  http::async_write(*stream_, response_, [self](error_code error, std::size_t) {
    if (self->gone_) return;
    if (error) return self->abort();
    if (!self->response_.keep_alive()) return self->end();
    self->await_request(self->limits().idle_time);
  });
}

void Connection::end() {
  const auto self = shared_from_this();
  deadline_.set(kClosingTime, [self] { self->abort(); });
  stream_->shut_down([self](error_code) {
    if (!self->gone_) self->drain();
  });
}

void Connection::drain() {
  const auto self = shared_from_this();
  deadline_.set(kClosingTime, [self] { self->abort(); });
  stream_->drain([self](error_code) { self->abort(); });
}

class TlsServer final : public Server {
 public:
  TlsServer(ServerOptions options, HttpHandler handler)
      : acceptor_(shared_.loop->io()), pause_(acceptor_.get_executor()), recheck_(acceptor_.get_executor()) {
    shared_.options = std::move(options);
    shared_.handler = std::move(handler);
  }
  ~TlsServer() override {
    shared_.loop->finish([this] { stop(); });
  }

  Status open() {
    if (const Status loaded = load_certificates(); !loaded) return loaded;
    error_code error;
    const auto address = asio::ip::make_address(shared_.options.address, error);
    if (error)
      return failure(ErrorCode::invalid,
                     "listen address \"" + shared_.options.address + "\" isn't an IP address");
    const tcp::endpoint endpoint(address, shared_.options.port);
    acceptor_.open(endpoint.protocol(), error);
    if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor_.bind(endpoint, error);
    if (!error) acceptor_.listen(tcp::acceptor::max_listen_connections, error);
    if (error)
      return failure(ErrorCode::unavailable, "can't listen on " + to_text(endpoint) + ": " + error.message() +
                                                 "; does the address exist here, and is the port free?");
    port_ = acceptor_.local_endpoint(error).port();
    accept();
    if (shared_.cards || shared_.options.why_not) recheck();
    shared_.loop->start();
    return {};
  }

  std::uint16_t port() const override { return port_; }

 private:
  Status load_certificates() {
    const ServerOptions& options = shared_.options;
    if (options.cards) {
      auto cards = CardTrust::load(options.tls, *options.cards);
      if (!cards) return failure(cards.error());
      shared_.cards = *std::move(cards);
      return {};
    }
    if (options.tls.ca.empty() != options.admit_role.empty())
      return failure(ErrorCode::invalid, "a server admits a role by certificates of a CA, or it is public");
    auto tls = make_tls_context(options.tls, Side::server);
    if (!tls) return failure(tls.error());
    shared_.tls = *tls;
    return {};
  }

  void accept() {
    acceptor_.async_accept([this](error_code error, tcp::socket socket) {
      if (!acceptor_.is_open()) return;
      if (error) {  // out of descriptors, usually: others must end first
        pause_.expires_after(kAcceptPause);
        pause_.async_wait([this](error_code cancelled) {
          if (!cancelled) accept();
        });
        return;
      }
      admit(std::move(socket));
      accept();
    });
  }

  // Closes the socket when there are too many.
  void admit(tcp::socket socket) {
    const HttpLimits& limits = shared_.options.http;
    error_code ignored;
    const tcp::endpoint from = socket.remote_endpoint(ignored);
    if (shared_.live.size() >= limits.connections)
      return shared_.refuse(to_text(from), "too many connections");
    if (shared_.cards && !shared_.cards->admits(from.address()))
      return shared_.refuse(to_text(from), "not from a network of the administration");
    const std::string address = network_of(from.address().to_string());
    if (limits.connections_per_address > 0) {
      std::size_t& count = shared_.of_address[address];
      if (count >= limits.connections_per_address)
        return shared_.refuse(to_text(from), "too many connections from this address");
      ++count;
    }
    const std::uint64_t id = ++last_id_;
    const auto connection = std::make_shared<Connection>(shared_, id, address, std::move(socket));
    shared_.live[id].end = [connection](const std::string&) { connection->abort(); };
    connection->start();
  }

  static void end(Live live, const std::string& why) { live.end(why); }  // a copy: it erases itself

  void recheck() {
    recheck_.set(kRecheckPeriod, [this] {
      recheck();
      // To look at a card again costs as much as its revocation list is long.
      const bool changed = shared_.cards && shared_.cards->refresh();
      shared_.cards_are_due = changed || ++rechecks_ % kCardsEvery == 0;
      std::vector<std::pair<Live, std::string>> over;
      for (const auto& [id, live] : shared_.live)
        if (const std::string why = shared_.why_not(live); !why.empty()) over.emplace_back(live, why);
      for (const auto& [live, why] : over) {
        shared_.refuse(live.peer->name + ", connected", why);
        end(live, why);
      }
    });
  }

  void stop() {
    error_code ignored;
    acceptor_.close(ignored);
    pause_.cancel();
    recheck_.cancel();
    while (!shared_.live.empty()) end(shared_.live.begin()->second, "the server stops");
  }

  Shared shared_;
  tcp::acceptor acceptor_;
  asio::steady_timer pause_;
  Deadline recheck_;
  unsigned rechecks_ = 0;
  std::uint64_t last_id_ = 0;
  std::uint16_t port_ = 0;
};

}  // namespace

std::string host_of(const std::string& peer_address) {
  std::string host = peer_address.substr(0, peer_address.rfind(':'));
  return host.starts_with('[') && host.ends_with(']') ? host.substr(1, host.size() - 2) : host;
}

std::string network_of(const std::string& address) {
  error_code error;
  const auto parsed = asio::ip::make_address(address, error);
  if (error || !parsed.is_v6()) return address;
  const asio::ip::address_v6 v6 = parsed.to_v6();
  if (v6.is_v4_mapped()) return asio::ip::make_address_v4(asio::ip::v4_mapped, v6).to_string();
  auto bytes = v6.to_bytes();
  std::fill(bytes.begin() + 8, bytes.end(), static_cast<unsigned char>(0));
  return asio::ip::address_v6(bytes).to_string() + "/64";
}

Result<std::unique_ptr<Server>> Server::start(ServerOptions options, HttpHandler handler) {
  auto server = std::make_unique<TlsServer>(std::move(options), std::move(handler));
  const Status opened = server->open();
  if (!opened) return failure(opened.error());
  return std::unique_ptr<Server>(std::move(server));
}

}  // namespace bascule::net
