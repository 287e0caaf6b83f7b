#include "base/net/loop.h"

#include <boost/asio/post.hpp>

#include "base/ensure.h"

namespace bascule::net {

void Loop::start() {
  thread_ = std::thread([this] { io_.run(); });
}

void Loop::post(std::function<void()> work) {
  const std::lock_guard lock(mutex_);
  if (open_) asio::post(io_, std::move(work));
}

void Loop::finish(std::function<void()> last) {
  ensure(std::this_thread::get_id() != thread_.get_id(),
         "a server or WebSocket client was destroyed by one of its own callbacks");
  post(std::move(last));
  if (thread_.joinable()) thread_.join();
  {
    const std::lock_guard lock(mutex_);
    open_ = false;
  }
  // What was posted while the thread came to its end.
  io_.restart();
  io_.run();
}

void Deadline::set(Duration after, std::function<void()> expired) {
  const std::uint64_t turn = ++turn_;
  timer_.expires_after(after);
  timer_.async_wait([this, turn, expired = std::move(expired)](error_code error) {
    if (!error && turn == turn_) expired();
  });
}

void Deadline::cancel() {
  ++turn_;
  timer_.cancel();
}

}  // namespace bascule::net
