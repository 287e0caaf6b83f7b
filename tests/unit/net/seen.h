// What one end of a WebSocket has seen, for the test's thread to wait for.
#pragma once

#include <doctest/doctest.h>

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/net/http.h"

namespace test {

using bascule::net::WebSocket;
using bascule::net::WebSocketEvents;

class Seen {
 public:
  WebSocketEvents events(bool echo = false) {
    WebSocketEvents events;
    events.on_open = [this](std::shared_ptr<WebSocket> socket) {
      const std::lock_guard lock(mutex_);
      socket_ = std::move(socket);
      ++opened_;
      changed_.notify_all();
    };
    events.on_message = [this, echo](const std::shared_ptr<WebSocket>& socket, std::string text) {
      if (echo) CHECK(socket->send(text));
      const std::lock_guard lock(mutex_);
      messages_.push_back(std::move(text));
      changed_.notify_all();
    };
    events.on_close = [this](const std::shared_ptr<WebSocket>&, std::string why) {
      const std::lock_guard lock(mutex_);
      reasons_.push_back(std::move(why));
      changed_.notify_all();
    };
    return events;
  }

  std::shared_ptr<WebSocket> opened() {
    std::unique_lock lock(mutex_);
    CHECK(wait(lock, [this] { return socket_ != nullptr; }));
    REQUIRE(socket_);
    return socket_;
  }
  std::vector<std::string> messages(std::size_t count) {
    std::unique_lock lock(mutex_);
    CHECK(wait(lock, [this, count] { return messages_.size() >= count; }));
    return messages_;
  }
  std::string closed() {
    std::unique_lock lock(mutex_);
    CHECK(wait(lock, [this] { return !reasons_.empty(); }));
    REQUIRE(reasons_.size() == 1);
    return reasons_.front();
  }
  int open_count() {
    const std::lock_guard lock(mutex_);
    return opened_;
  }
  bool is_closed() {
    const std::lock_guard lock(mutex_);
    return !reasons_.empty();
  }

 private:
  template <class Condition>
  bool wait(std::unique_lock<std::mutex>& lock, Condition condition) {
    return changed_.wait_for(lock, std::chrono::seconds(10), condition);
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::shared_ptr<WebSocket> socket_;
  std::vector<std::string> messages_;
  std::vector<std::string> reasons_;
  int opened_ = 0;
};

}  // namespace test
