// ByteStream: a TCP connection under TLS as a plain asynchronous stream of bytes. Its types are erased, so
// that Beast's templates are instantiated for one small type. For the .cc files of base/net; used on one
// thread.
#pragma once

#include <array>
#include <boost/asio/async_result.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/beast/core/role.hpp>
#include <chrono>
#include <memory>
#include <string>

#include "base/net/tls_context.h"

namespace bascule::net {

// "198.18.0.2:7443" or "[::1]:7443" in its parts.
struct HostPort {
  std::string host;
  std::string port;
};
Result<HostPort> split_address(const std::string& address);
std::string to_text(const tcp::endpoint& endpoint);  // "198.18.0.2:7443", "[::1]:7443"

class ByteStream {
 public:
  using executor_type = asio::any_io_executor;
  using Transferred = asio::any_completion_handler<void(error_code, std::size_t)>;
  using Finished = asio::any_completion_handler<void(error_code)>;

  ByteStream(tcp::socket socket, asio::ssl::context& tls);
  ~ByteStream();
  ByteStream(const ByteStream&) = delete;
  ByteStream& operator=(const ByteStream&) = delete;

  executor_type get_executor();

  // But for shut_down() none has a bound of its own: the caller's deadline calls close(), which ends what is
  // pending with an error. Every handler must keep this stream alive (by a shared_ptr in its capture).
  void accept(PeerRule rule, Finished finished);
  void connect(const HostPort& to, PeerRule rule, Finished finished);  // to.host is the rule's
  // Says the end of TLS and waits for the peer's, at most 2 s; never with an error.
  void shut_down(Finished finished);
  // Closes our direction and discards what the peer still sends, until it closes too: what was sent before
  // would be lost with the reset that a close with unread input causes.
  void drain(Finished finished);
  void close();

  const Peer& peer() const { return peer_; }
  SSL& tls();
  // Something is there to be read, or the connection is gone. For an idle kept connection both mean that it
  // is over.
  bool has_input();
  std::chrono::steady_clock::time_point last_read() const { return last_read_; }
  // The peer's certificate was refused (then in those words), or `error` in words.
  std::string why(const error_code& error) const;
  bool refused_peer() const { return !refusal_.empty(); }

  // Asio's AsyncReadStream and AsyncWriteStream.
  template <class Buffers, class Token>
  auto async_read_some(const Buffers& buffers, Token&& token) {
    return asio::async_initiate<Token, void(error_code, std::size_t)>(
        [this](auto handler, const auto& to) { read_some(to, Transferred(std::move(handler))); }, token,
        gather<asio::mutable_buffer>(buffers));
  }
  template <class Buffers, class Token>
  auto async_write_some(const Buffers& buffers, Token&& token) {
    return asio::async_initiate<Token, void(error_code, std::size_t)>(
        [this](auto handler, const auto& from) { write_some(from, Transferred(std::move(handler))); }, token,
        gather<asio::const_buffer>(buffers));
  }

 private:
  struct Connection;
  static constexpr std::size_t kMostBuffers =
      8;  // more are left to the next call: "some" may be less than all
  template <class Buffer>
  using Gathered = std::array<Buffer, kMostBuffers>;

  template <class Buffer, class Buffers>
  static Gathered<Buffer> gather(const Buffers& buffers) {
    Gathered<Buffer> gathered;
    std::size_t count = 0;
    for (auto at = asio::buffer_sequence_begin(buffers); at != asio::buffer_sequence_end(buffers); ++at)
      if (Buffer(*at).size() > 0 && count < kMostBuffers) gathered[count++] = *at;
    return gathered;
  }
  void read_some(const Gathered<asio::mutable_buffer>& to, Transferred done);
  void write_some(const Gathered<asio::const_buffer>& from, Transferred done);
  void handshake(Side side, PeerRule rule, Finished finished);
  void read_identity();
  void discard(std::shared_ptr<std::array<char, 4096>> scratch, std::size_t left, Finished finished);

  std::unique_ptr<Connection> connection_;
  Peer peer_;
  std::string refusal_;
  std::chrono::steady_clock::time_point last_read_ = std::chrono::steady_clock::now();
};

// Beast's customization points, found by the argument's type.
void beast_close_socket(ByteStream& stream);
void teardown(boost::beast::role_type role, ByteStream& stream, error_code& error);
template <class Handler>
void async_teardown(boost::beast::role_type, ByteStream& stream, Handler&& handler) {
  stream.shut_down(ByteStream::Finished(std::forward<Handler>(handler)));
}

}  // namespace bascule::net
