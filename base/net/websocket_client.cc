#include "base/net/websocket.h"

namespace bascule::net {
namespace {

class TlsWebSocketClient final : public WebSocketClient {
 public:
  TlsWebSocketClient(const HostPort& to, const std::string& path, const ClientOptions& options,
                     asio::ssl::context& tls, WebSocketLimits limits, WebSocketEvents events)
      : session_(std::make_shared<WebSocketSession>(
            loop_, std::make_unique<ByteStream>(tcp::socket(loop_->io()), tls), limits, std::move(events),
            nullptr)) {
    session_->dial(to, path, options.connect_time);
    loop_->start();
  }
  ~TlsWebSocketClient() override {
    loop_->finish([this] { session_->abort("closed by this side"); });
  }

 private:
  const std::shared_ptr<Loop> loop_ = std::make_shared<Loop>();
  const std::shared_ptr<WebSocketSession> session_;
};

}  // namespace

Result<std::unique_ptr<WebSocketClient>> WebSocketClient::dial(ClientOptions options, std::string path,
                                                               WebSocketLimits limits,
                                                               WebSocketEvents events) {
  const auto to = split_address(options.address);
  if (!to) return failure(to.error());
  const auto tls = make_tls_context(options.tls, Side::client);
  if (!tls) return failure(tls.error());
  return std::unique_ptr<WebSocketClient>(
      std::make_unique<TlsWebSocketClient>(*to, path, options, **tls, limits, std::move(events)));
}

}  // namespace bascule::net
