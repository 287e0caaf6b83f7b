#include "base/net/websocket.h"

#include <boost/beast/http/rfc7230.hpp>
#include <boost/beast/websocket/rfc6455.hpp>
#include <boost/beast/websocket/stream.hpp>

namespace bascule::net {

namespace websocket = boost::beast::websocket;

namespace {
constexpr Duration kCloseTime = 2s;       // for the close handshake and what is queued before it
constexpr std::size_t kLongestWhy = 120;  // RFC 6455, 5.5: 125 bytes with the code

constexpr int kPatience = 15;  // times the idle time, with one whose reading is paused

// At the end of a character (UTF-8): a peer fails a connection whose reason has half of one.
std::string cut(const std::string& why) {
  std::size_t size = std::min(why.size(), kLongestWhy);
  while (size > 0 && size < why.size() && (static_cast<unsigned char>(why[size]) & 0xC0) == 0x80) --size;
  return why.substr(0, size);
}

// What noVNC and its like ask for, and then insist on.
void agree_on_bytes(const WebSocketSession::UpgradeRequest& request, websocket::stream<ByteStream&>& socket) {
  namespace http = boost::beast::http;
  const auto offered = request[http::field::sec_websocket_protocol];
  for (const auto word : http::token_list(offered))
    if (word == "binary")
      socket.set_option(websocket::stream_base::decorator([](websocket::response_type& response) {
        response.set(http::field::sec_websocket_protocol, "binary");
      }));
}
}  // namespace

struct WebSocketSession::Beast {
  explicit Beast(ByteStream& stream) : socket(stream) {}
  websocket::stream<ByteStream&> socket;
  websocket::response_type answer;  // of the server to the client's upgrade
};

WebSocketSession::WebSocketSession(std::shared_ptr<Loop> loop, std::unique_ptr<ByteStream> stream,
                                   WebSocketLimits limits, WebSocketEvents events, std::function<void()> gone)
    : loop_(std::move(loop)),
      limits_(limits),
      events_(std::move(events)),
      gone_(std::move(gone)),
      stream_(std::move(stream)),
      beast_(std::make_unique<Beast>(*stream_)),
      deadline_(stream_->get_executor()) {
  auto& socket = beast_->socket;
  // Our own deadline serves every phase: Beast's pings at half of the idle time and knows of no bound per
  // phase.
  socket.set_option(
      websocket::stream_base::timeout{websocket::stream_base::none(), websocket::stream_base::none(), false});
  socket.read_message_max(limits_.message_bytes);
  socket.auto_fragment(false);
  socket.write_buffer_bytes(16 * 1024);
  socket.binary(limits_.bytes);
}

WebSocketSession::~WebSocketSession() = default;

void WebSocketSession::accept(const UpgradeRequest& request, Duration bound) {
  const auto self = shared_from_this();
  deadline_.set(bound, [self] { self->finish("the handshake took too long"); });
  if (limits_.bytes) agree_on_bytes(request, beast_->socket);
  beast_->socket.async_accept(request, [self](error_code error) {
    if (error) return self->finish("the WebSocket handshake failed: " + error.message());
    self->opened();
  });
}

void WebSocketSession::dial(const HostPort& to, const std::string& role, const std::string& path,
                            Duration bound) {
  const auto self = shared_from_this();
  const std::string address = to.host + ":" + to.port;
  deadline_.set(
      bound, [self, address] { self->finish(address + " didn't answer in time; is it up and reachable?"); });
  stream_->connect(to, {role, ""}, [self, address, path](error_code error) {
    if (error) return self->finish(address + " can't be reached: " + self->stream_->why(error));
    auto on_answer = [self, address](error_code failed) {
      if (!failed) return self->opened();
      if (failed == websocket::error::upgrade_declined)
        return self->finish(address + " declined the WebSocket with status " +
                            std::to_string(self->beast_->answer.result_int()));
      self->finish(address + " didn't open the WebSocket: " + self->stream_->why(failed));
    };
    self->beast_->socket.async_handshake(self->beast_->answer, address, path, std::move(on_answer));
  });
}

void WebSocketSession::opened() {
  if (finished_) return;
  open_ = true;
  watch();
  if (events_.on_open) events_.on_open(shared_from_this());
  write();
  read();
}

void WebSocketSession::read() {
  if (finished_ || !open_ || reading_ || (paused_ && !closing_)) return;
  reading_ = true;
  beast_->socket.async_read(buffer_, [self = shared_from_this()](error_code error, std::size_t) {
    self->reading_ = false;
    self->on_read(error);
  });
}

void WebSocketSession::on_read(error_code error) {
  if (finished_) return;
  if (error) return finish(read_failure(error));
  if (!limits_.bytes && !beast_->socket.got_text()) return begin_close("the peer sent a binary message");
  std::string message(static_cast<const char*>(buffer_.data().data()), buffer_.size());
  buffer_.consume(buffer_.size());
  buffer_.shrink_to_fit();  // one large message shall not hold its memory for the life of the connection
  if (!closing_ && events_.on_message) events_.on_message(shared_from_this(), std::move(message));
  read();
}

std::string WebSocketSession::read_failure(const error_code& error) const {
  if (!close_reason_.empty()) return close_reason_;
  if (error == websocket::error::closed) {
    const auto& reason = beast_->socket.reason().reason;
    return "closed by the peer" + (reason.empty() ? "" : ": " + std::string(reason.data(), reason.size()));
  }
  if (error == websocket::error::message_too_big || error == websocket::error::buffer_overflow)
    return "the peer sent a message of more than " + std::to_string(limits_.message_bytes) + " bytes";
  return stream_->why(error);
}

bool WebSocketSession::send(std::string message) {
  const std::lock_guard lock(mutex_);
  if (shut_) return false;
  if (queued_bytes_ + message.size() > limits_.queued_bytes) {
    shut_ = true;
    loop_->post(
        [self = shared_from_this()] { self->finish("the peer reads too slowly: the send queue is full"); });
    return false;
  }
  queued_bytes_ += message.size();
  queue_.push_back(std::move(message));
  if (queue_.size() == 1) loop_->post([self = shared_from_this()] { self->write(); });
  return true;
}

std::size_t WebSocketSession::queued() const {
  const std::lock_guard lock(mutex_);
  return queued_bytes_;
}

void WebSocketSession::pause(bool paused) {
  loop_->post([self = shared_from_this(), paused] {
    if (paused != self->paused_) self->paused_since_ = std::chrono::steady_clock::now();
    self->paused_ = paused;
    self->read();
  });
}

void WebSocketSession::close(const std::string& why) {
  const std::lock_guard lock(mutex_);
  if (shut_) return;
  shut_ = true;
  loop_->post([self = shared_from_this(), why] {
    self->told_ = cut(why);
    self->begin_close(why.empty() ? "closed by this side" : why);
  });
}

const Peer& WebSocketSession::peer() const { return stream_->peer(); }

void WebSocketSession::write() {
  if (busy_ || finished_ || !open_ || close_said_) return;
  {
    const std::lock_guard lock(mutex_);
    if (queue_.empty()) {
      if (!closing_) return;
    } else {
      busy_ = true;
      writing_ = std::move(queue_.front());
      queue_.pop_front();
    }
  }
  if (!busy_) return say_close();
  const auto written = [self = shared_from_this()](error_code error, std::size_t) {
    if (self->finished_) return;
    if (error) return self->finish(self->stream_->why(error));
    self->busy_ = false;
    bool drained = false;
    {
      const std::lock_guard lock(self->mutex_);
      self->queued_bytes_ -= self->writing_.size();
      drained = self->queued_bytes_ == 0;
    }
    if (drained && self->events_.on_drained) self->events_.on_drained(self);
    self->write();
  };
  beast_->socket.async_write(asio::buffer(writing_), written);
}

void WebSocketSession::begin_close(const std::string& why) {
  if (finished_ || closing_) return;
  closing_ = true;
  close_reason_ = why;
  if (!open_) return finish(why);
  deadline_.set(kCloseTime, [self = shared_from_this(), why] { self->finish(why); });
  read();  // or the peer's end of the handshake would not be heard
  write();
}

void WebSocketSession::say_close() {
  close_said_ = true;
  const websocket::close_reason reason(websocket::close_code::normal, told_);
  beast_->socket.async_close(reason,
                             [self = shared_from_this()](error_code) { self->finish(self->close_reason_); });
}

// Wakes at each third of the idle time: pings, or gives up.
void WebSocketSession::watch() {
  if (finished_ || closing_) return;
  // One that isn't listened to can't be heard.
  const Duration silent = std::chrono::steady_clock::now() - std::max(stream_->last_read(), paused_since_);
  if (silent >= limits_.idle_time * (paused_ ? kPatience : 1)) {
    const auto time = std::chrono::duration_cast<std::chrono::milliseconds>(limits_.idle_time).count();
    return finish("nothing came from the peer for " + std::to_string(time) + " ms");
  }
  if (!pinging_ && silent >= limits_.idle_time / 4) {
    pinging_ = true;
    beast_->socket.async_ping({}, [self = shared_from_this()](error_code) { self->pinging_ = false; });
  }
  const Duration next = std::clamp(limits_.idle_time - silent, limits_.idle_time / 20, limits_.idle_time / 3);
  deadline_.set(next, [self = shared_from_this()] { self->watch(); });
}

void WebSocketSession::finish(const std::string& why) {
  if (finished_) return;
  finished_ = true;
  {
    const std::lock_guard lock(mutex_);
    shut_ = true;
    queue_.clear();
  }
  deadline_.cancel();
  stream_->close();
  // The callbacks may hold what holds this session: they are called a last time and let go.
  const WebSocketEvents events = std::exchange(events_, {});
  const auto gone = std::exchange(gone_, {});
  if (events.on_close) events.on_close(shared_from_this(), why);
  if (gone) gone();
}

}  // namespace bascule::net
