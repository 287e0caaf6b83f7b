#include "cli/upload.h"

#include <condition_variable>
#include <fstream>
#include <mutex>

namespace bascule::cli {
namespace {

constexpr std::size_t kPieceBytes = 60 * 1024;         // below what one message may have
constexpr std::size_t kMostQueued = 32 * kPieceBytes;  // then it waits for the network

class Sending {
 public:
  net::WebSocketEvents events() {
    net::WebSocketEvents events;
    events.on_open = [this](std::shared_ptr<net::WebSocket> socket) {
      const std::lock_guard lock(mutex_);
      socket_ = std::move(socket);
      changed_.notify_all();
    };
    events.on_message = [](const std::shared_ptr<net::WebSocket>&, const std::string&) {};
    events.on_drained = [this](const std::shared_ptr<net::WebSocket>&) {
      const std::lock_guard lock(mutex_);
      changed_.notify_all();
    };
    events.on_close = [this](const std::shared_ptr<net::WebSocket>&, const std::string& why) {
      const std::lock_guard lock(mutex_);
      over_ = true;
      why_ = why;
      changed_.notify_all();
    };
    return events;
  }

  std::string send(std::ifstream& file) {
    std::string piece(kPieceBytes, '\0');
    while (const auto socket = ready()) {
      file.read(piece.data(), static_cast<std::streamsize>(piece.size()));
      if (file.gcount() == 0) break;
      if (!socket->send(piece.substr(0, static_cast<std::size_t>(file.gcount())))) break;
    }
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return over_; });
    return why_;
  }

 private:
  // Null when it is over.
  std::shared_ptr<net::WebSocket> ready() {
    std::unique_lock lock(mutex_);
    while (!over_ && (!socket_ || socket_->queued() > kMostQueued))
      changed_.wait_for(lock, std::chrono::milliseconds(100));
    return over_ ? nullptr : socket_;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::shared_ptr<net::WebSocket> socket_;
  bool over_ = false;
  std::string why_;
};

}  // namespace

std::string send_file(const net::ClientOptions& to, const std::string& path, const std::string& file) {
  std::ifstream open(file, std::ios::binary);
  if (!open) return file + " can't be read";
  net::WebSocketLimits limits;
  limits.bytes = true;
  Sending sending;
  const auto client = net::WebSocketClient::dial(to, path, limits, sending.events());
  return client ? sending.send(open) : client.error().message;
}

}  // namespace bascule::cli
