#include <array>
#include <deque>
#include <mutex>

#include "base/net/http.h"

namespace bascule::net {
namespace {

constexpr std::size_t kMostQueued = 256 * 1024;  // for an end, before the other has to wait
constexpr std::size_t kMostEarly = 64 * 1024;    // for an end that isn't open yet
constexpr std::size_t kTooEarly = 1024 * 1024;   // by an end that doesn't wait

class Joint final : public WebSocketJoint, public std::enable_shared_from_this<Joint> {
 public:
  explicit Joint(std::function<void(const std::string& why)> ended) : ended_(std::move(ended)) {}

  WebSocketEvents events(End end) override {
    const auto self = shared_from_this();
    WebSocketEvents events;
    events.on_open = [self, end](std::shared_ptr<WebSocket> socket) { self->opened(end, std::move(socket)); };
    events.on_message = [self, end](const std::shared_ptr<WebSocket>&, std::string message) {
      self->said(end, std::move(message));
    };
    events.on_drained = [self, end](const std::shared_ptr<WebSocket>&) { self->drained(end); };
    events.on_close = [self](const std::shared_ptr<WebSocket>&, const std::string& why) { self->close(why); };
    return events;
  }

  void close(const std::string& why) override {
    std::function<void(const std::string&)> ended;
    {
      const std::lock_guard lock(mutex_);
      if (over_) return;
      over_ = true;
      why_ = why;
      for (Side& side : sides_) {
        if (const auto socket = std::exchange(side.socket, nullptr)) socket->close(why);
        side.early.clear();
      }
      ended = std::exchange(ended_, nullptr);
    }
    if (ended) ended(why);
  }

 private:
  struct Side {
    std::shared_ptr<WebSocket> socket;
    std::deque<std::string> early;  // said to it before it was open
    std::size_t early_bytes = 0;
  };
  Side& at(End end) { return sides_[end == End::near ? 0 : 1]; }
  Side& across(End end) { return at(end == End::near ? End::far : End::near); }

  void opened(End end, std::shared_ptr<WebSocket> socket) {
    const std::lock_guard lock(mutex_);
    if (over_) return socket->close(why_);
    Side& side = at(end);
    side.socket = std::move(socket);
    for (std::string& message : std::exchange(side.early, {})) side.socket->send(std::move(message));
    if (std::exchange(side.early_bytes, 0) > kMostEarly && across(end).socket)
      across(end).socket->pause(side.socket->queued() > kMostQueued);
  }

  void said(End end, std::string message) {
    if (!pass_on(end, std::move(message))) close("too much was said before the other end was there");
  }

  // All that decides whether an end waits happens under the mutex, so that no wait outlasts its reason.
  bool pass_on(End end, std::string message) {
    const std::lock_guard lock(mutex_);
    Side& to = across(end);
    if (over_) return true;
    if (!to.socket) {
      to.early_bytes += message.size();
      to.early.push_back(std::move(message));
      if (to.early_bytes > kMostEarly && at(end).socket) at(end).socket->pause(true);
      return to.early_bytes <= kTooEarly;
    }
    to.socket->send(std::move(message));
    if (to.socket->queued() > kMostQueued && at(end).socket) at(end).socket->pause(true);
    return true;
  }

  void drained(End end) {
    const std::lock_guard lock(mutex_);
    if (across(end).socket) across(end).socket->pause(false);
  }

  std::mutex mutex_;
  std::function<void(const std::string& why)> ended_;
  std::array<Side, 2> sides_;
  bool over_ = false;
  std::string why_;
};

}  // namespace

std::shared_ptr<WebSocketJoint> WebSocketJoint::make(std::function<void(const std::string& why)> ended) {
  return std::make_shared<Joint>(std::move(ended));
}

}  // namespace bascule::net
