// One thread that runs all callbacks of a server or of a WebSocket client, and the deadlines on it.
// For the .cc files of base/net.
#pragma once

#include <functional>
#include <mutex>
#include <thread>

#include "base/net/boost.h"
#include "base/time.h"

namespace bascule::net {

// Shared by its owner and by whatever outlives the owner (replies, sockets in the hands of other threads).
class Loop {
 public:
  asio::io_context& io() { return io_; }
  void start();  // the thread ends when nothing is left to wait for
  // Runs `work` on the thread; dropped when the loop has finished. From any thread.
  void post(std::function<void()> work);
  // Runs `last`, which must close everything, and joins. Not from the loop's own thread.
  void finish(std::function<void()> last);

 private:
  asio::io_context io_{1};
  std::thread thread_;
  std::mutex mutex_;
  bool open_ = true;
};

// A member of an object that `expired` keeps alive (by a shared_ptr in its capture).
class Deadline {
 public:
  explicit Deadline(const asio::any_io_executor& executor) : timer_(executor) {}
  void set(Duration after, std::function<void()> expired);  // replaces the one before
  void cancel();

 private:
  asio::steady_timer timer_;
  std::uint64_t turn_ = 0;  // an expiry that is queued already can't be cancelled, only recognised
};

}  // namespace bascule::net
