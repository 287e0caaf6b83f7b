// One WebSocket of either side, over a ByteStream. For the .cc files of base/net.
#pragma once

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/websocket/stream_fwd.hpp>
#include <deque>
#include <memory>
#include <mutex>
#include <string>

#include "base/net/byte_stream.h"
#include "base/net/http.h"
#include "base/net/loop.h"

namespace bascule::net {

// Lives on the loop's thread except for send() and close(). Kept alive by its pending operations and by
// whoever holds it as a WebSocket.
class WebSocketSession final : public WebSocket, public std::enable_shared_from_this<WebSocketSession> {
 public:
  using UpgradeRequest = boost::beast::http::request<boost::beast::http::string_body>;

  // `gone` is called once, when the connection has ended, after on_close.
  WebSocketSession(std::shared_ptr<Loop> loop, std::unique_ptr<ByteStream> stream, WebSocketLimits limits,
                   WebSocketEvents events, std::function<void()> gone);
  ~WebSocketSession() override;

  // Server: answers the upgrade that `request` asks for.
  void accept(const UpgradeRequest& request, Duration bound);
  // Client: connects and asks for the upgrade.
  void dial(const HostPort& to, const std::string& role, const std::string& path, Duration bound);
  void abort(const std::string& why) { finish(why); }

  bool send(std::string message) override;
  std::size_t queued() const override;
  void pause(bool paused) override;
  void close(const std::string& why) override;
  const Peer& peer() const override;

 private:
  struct Beast;

  void opened();
  void read();
  void on_read(error_code error);
  void write();
  void begin_close(const std::string& why);
  void say_close();
  void watch();
  void finish(const std::string& why);
  std::string read_failure(const error_code& error) const;

  const std::shared_ptr<Loop> loop_;
  const WebSocketLimits limits_;
  WebSocketEvents events_;
  std::function<void()> gone_;
  std::unique_ptr<ByteStream> stream_;
  std::unique_ptr<Beast> beast_;
  boost::beast::flat_buffer buffer_;
  Deadline deadline_;
  std::string writing_;  // the message under way
  bool busy_ = false;    // a write is under way
  bool pinging_ = false;
  bool reading_ = false;
  bool paused_ = false;
  std::chrono::steady_clock::time_point paused_since_{};
  bool open_ = false;  // on_open has been called
  bool finished_ = false;
  bool closing_ = false;  // no more messages are handed out; what is queued is sent first
  bool close_said_ = false;
  std::string close_reason_;
  std::string told_;  // of it, to the peer

  mutable std::mutex mutex_;  // of the members below
  std::deque<std::string> queue_;
  std::size_t queued_bytes_ = 0;  // of the message under way too
  bool shut_ = false;             // send() refuses
};

}  // namespace bascule::net
