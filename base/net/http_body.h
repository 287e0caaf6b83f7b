// The body of an answer that goes on, over a ByteStream. For the .cc files of base/net.
#pragma once

#include <array>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/serializer.hpp>
#include <deque>
#include <memory>
#include <mutex>
#include <string>

#include "base/net/byte_stream.h"
#include "base/net/http.h"
#include "base/net/loop.h"

namespace bascule::net {

// Lives on the loop's thread except for what BodyStream has. Kept alive by its pending operations and by
// whoever holds it as a BodyStream.
class BodySession final : public BodyStream, public std::enable_shared_from_this<BodySession> {
 public:
  // `gone` is called once, when the connection has ended.
  BodySession(std::shared_ptr<Loop> loop, std::unique_ptr<ByteStream> stream, std::function<void()> gone);

  // Sends the header of `response`, then what comes. The connection isn't kept afterwards.
  void begin(HttpResponse response);
  void abort();

  bool send(std::string bytes) override;
  void end() override;
  void later(Duration after, std::function<void()> call) override;

 private:
  using Header = boost::beast::http::response<boost::beast::http::empty_body>;

  void watch();
  void write();
  void written(error_code error);

  const std::shared_ptr<Loop> loop_;
  const std::unique_ptr<ByteStream> stream_;
  std::function<void()> gone_;
  Deadline deadline_;
  Deadline timer_;
  Header header_;
  boost::beast::http::response_serializer<boost::beast::http::empty_body> serializer_{header_};
  std::array<char, 64> unasked_{};  // what a client sends that should only listen
  std::string writing_;
  bool begun_ = false;      // the header has been sent
  bool busy_ = false;       // a write is under way
  bool ended_ = false;      // end() has been called
  bool last_said_ = false;  // the chunk that ends the body is under way, or sent
  bool finished_ = false;

  std::mutex mutex_;  // of the members below
  std::deque<std::string> queue_;
  std::size_t queued_bytes_ = 0;
  bool shut_ = false;  // send() refuses
};

}  // namespace bascule::net
