#include <boost/asio/executor_work_guard.hpp>
#include <map>

#include "base/net/websocket.h"

namespace bascule::net {
namespace {

class TlsWebSocketDialer final : public WebSocketDialer {
 public:
  explicit TlsWebSocketDialer(ClientOptions options)
      : options_(std::move(options)), work_(asio::make_work_guard(loop_->io())) {
    loop_->start();
  }
  ~TlsWebSocketDialer() override {
    loop_->finish([this] { stop(); });
  }

  void dial(const std::string& address, std::string path, WebSocketLimits limits,
            WebSocketEvents events) override {
    loop_->post([this, address, path = std::move(path), limits, events = std::move(events)] {
      begin(address, path, limits, events);
    });
  }

 private:
  void begin(const std::string& address, const std::string& path, const WebSocketLimits& limits,
             const WebSocketEvents& events) {
    const auto to = split_address(address);
    // Read each time: certificates are renewed.
    const auto tls = make_tls_context(options_.tls, Side::client);
    if (!to || !tls || stopped_) {
      const std::string why = !to ? to.error().message : !tls ? tls.error().message : "the dialer has ended";
      if (events.on_close) events.on_close(nullptr, why);
      return;
    }
    const std::uint64_t id = ++last_id_;
    const auto session = std::make_shared<WebSocketSession>(
        loop_, std::make_unique<ByteStream>(tcp::socket(loop_->io()), **tls), limits, events,
        [this, id] { open_.erase(id); });
    open_.emplace(id, session);
    session->dial(*to, options_.expect_role, path, options_.connect_time);
  }

  void stop() {
    stopped_ = true;
    work_.reset();
    while (!open_.empty()) {
      const auto session = open_.begin()->second;  // it erases itself
      session->abort("closed by this side");
    }
  }

  const ClientOptions options_;
  const std::shared_ptr<Loop> loop_ = std::make_shared<Loop>();
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  std::map<std::uint64_t, std::shared_ptr<WebSocketSession>> open_;  // on the loop's thread, as the rest
  std::uint64_t last_id_ = 0;
  bool stopped_ = false;
};

class OneWebSocket final : public WebSocketClient {
 public:
  explicit OneWebSocket(std::unique_ptr<WebSocketDialer> dialer) : dialer_(std::move(dialer)) {}

 private:
  const std::unique_ptr<WebSocketDialer> dialer_;
};

}  // namespace

Result<std::unique_ptr<WebSocketDialer>> WebSocketDialer::make(ClientOptions options) {
  if (const auto tls = make_tls_context(options.tls, Side::client); !tls) return failure(tls.error());
  return std::unique_ptr<WebSocketDialer>(std::make_unique<TlsWebSocketDialer>(std::move(options)));
}

Result<std::unique_ptr<WebSocketClient>> WebSocketClient::dial(const ClientOptions& options, std::string path,
                                                               WebSocketLimits limits,
                                                               WebSocketEvents events) {
  if (const auto to = split_address(options.address); !to) return failure(to.error());
  auto dialer = WebSocketDialer::make(options);
  if (!dialer) return failure(dialer.error());
  (*dialer)->dial(options.address, std::move(path), limits, std::move(events));
  return std::unique_ptr<WebSocketClient>(std::make_unique<OneWebSocket>(*std::move(dialer)));
}

}  // namespace bascule::net
