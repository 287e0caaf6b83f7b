#include "base/net/http_body.h"

#include <boost/asio/write.hpp>
#include <boost/beast/http/chunk_encode.hpp>
#include <boost/beast/http/write.hpp>
#include <utility>

#include "base/net/http_words.h"

namespace bascule::net {
namespace {

namespace http = boost::beast::http;

constexpr Duration kWriteTime = 30s;  // for one chunk
constexpr Duration kEndTime = 2s;
constexpr std::size_t kMostWaiting = 1024 * 1024;

}  // namespace

BodySession::BodySession(std::shared_ptr<Loop> loop, std::unique_ptr<ByteStream> stream,
                         std::function<void()> gone)
    : loop_(std::move(loop)),
      stream_(std::move(stream)),
      gone_(std::move(gone)),
      deadline_(stream_->get_executor()),
      timer_(stream_->get_executor()) {}

void BodySession::begin(HttpResponse response) {
  const auto goes_on = std::move(response.goes_on);
  response.body.clear();
  Header header(to_response(std::move(response)).base());
  header_ = std::move(header);
  header_.erase(http::field::content_length);
  header_.chunked(true);
  header_.keep_alive(false);
  busy_ = true;
  deadline_.set(kWriteTime, [self = shared_from_this()] { self->abort(); });
  http::async_write_header(*stream_, serializer_, [self = shared_from_this()](error_code error, std::size_t) {
    self->begun_ = true;
    self->written(error);
  });
  watch();
  goes_on(shared_from_this());
}

// A client that goes away, or says something, ends it: without a look for that the next write would tell.
void BodySession::watch() {
  stream_->async_read_some(asio::buffer(unasked_),
                           [self = shared_from_this()](error_code, std::size_t) { self->abort(); });
}

bool BodySession::send(std::string bytes) {
  const std::lock_guard lock(mutex_);
  if (shut_ || bytes.empty()) return !shut_;
  if (queued_bytes_ > 0 && queued_bytes_ + bytes.size() > kMostWaiting) {
    shut_ = true;
    loop_->post([self = shared_from_this()] { self->abort(); });
    return false;
  }
  queued_bytes_ += bytes.size();
  queue_.push_back(std::move(bytes));
  if (queue_.size() == 1) loop_->post([self = shared_from_this()] { self->write(); });
  return true;
}

void BodySession::end() {
  const std::lock_guard lock(mutex_);
  if (std::exchange(shut_, true)) return;
  loop_->post([self = shared_from_this()] {
    self->ended_ = true;
    self->write();
  });
}

void BodySession::later(Duration after, std::function<void()> call) {
  loop_->post([self = shared_from_this(), after, call = std::move(call)] {
    if (self->finished_) return;
    self->timer_.set(after, [self, call] {
      if (!self->finished_) call();
    });
  });
}

void BodySession::write() {
  if (busy_ || finished_ || !begun_ || last_said_) return;
  {
    const std::lock_guard lock(mutex_);
    if (!queue_.empty()) {
      busy_ = true;
      writing_ = std::move(queue_.front());
      queue_.pop_front();
      queued_bytes_ -= writing_.size();
    }
  }
  const auto done = [self = shared_from_this()](error_code error, std::size_t) { self->written(error); };
  if (busy_) {
    deadline_.set(kWriteTime, [self = shared_from_this()] { self->abort(); });
    return asio::async_write(*stream_, http::make_chunk(asio::buffer(writing_)), done);
  }
  if (!ended_) return;
  busy_ = last_said_ = true;
  deadline_.set(kEndTime, [self = shared_from_this()] { self->abort(); });
  asio::async_write(*stream_, http::make_chunk_last(), done);
}

void BodySession::written(error_code error) {
  if (finished_) return;
  if (error) return abort();
  deadline_.cancel();
  busy_ = false;
  if (!last_said_) return write();
  deadline_.set(kEndTime, [self = shared_from_this()] { self->abort(); });
  stream_->shut_down([self = shared_from_this()](error_code) { self->abort(); });
}

void BodySession::abort() {
  if (std::exchange(finished_, true)) return;
  {
    const std::lock_guard lock(mutex_);
    shut_ = true;
  }
  deadline_.cancel();
  timer_.cancel();
  stream_->close();
  if (const auto gone = std::move(gone_)) gone();
}

}  // namespace bascule::net
