#include "base/net/byte_stream.h"

#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <charconv>

namespace bascule::net {

struct ByteStream::Connection {
  Connection(tcp::socket socket, asio::ssl::context& tls)
      : stream(std::move(socket), tls), resolver(stream.get_executor()) {}
  asio::ssl::stream<tcp::socket> stream;
  tcp::resolver resolver;
};

Result<HostPort> split_address(const std::string& address) {
  const auto bad = [&address] {
    return failure(ErrorCode::invalid,
                   "address \"" + address + "\" must be like 198.18.0.2:7443 or [::1]:7443");
  };
  const auto colon = address.rfind(':');
  if (colon == std::string::npos || colon == 0) return bad();
  HostPort parts{address.substr(0, colon), address.substr(colon + 1)};
  if (parts.host.front() == '[' && parts.host.back() == ']')
    parts.host = parts.host.substr(1, parts.host.size() - 2);
  else if (parts.host.find(':') != std::string::npos)
    return bad();
  unsigned port = 0;
  const char* end = parts.port.data() + parts.port.size();
  const auto read = std::from_chars(parts.port.data(), end, port);
  if (read.ec != std::errc() || read.ptr != end || port == 0 || port > 65535 || parts.host.empty())
    return bad();
  return parts;
}

std::string to_text(const tcp::endpoint& endpoint) {
  const std::string host = endpoint.address().to_string();
  return (endpoint.address().is_v6() ? "[" + host + "]" : host) + ":" + std::to_string(endpoint.port());
}

ByteStream::ByteStream(tcp::socket socket, asio::ssl::context& tls)
    : connection_(std::make_unique<Connection>(std::move(socket), tls)) {}

ByteStream::~ByteStream() = default;

ByteStream::executor_type ByteStream::get_executor() { return connection_->stream.get_executor(); }

SSL& ByteStream::tls() { return *connection_->stream.native_handle(); }

void ByteStream::accept(PeerRule rule, Finished finished) {
  handshake(Side::server, std::move(rule), std::move(finished));
}

void ByteStream::connect(const HostPort& to, PeerRule rule, Finished finished) {
  rule.host = to.host;
  auto connected = [this, rule, done = std::move(finished)](error_code error, const tcp::endpoint&) mutable {
    if (error) return std::move(done)(error);
    handshake(Side::client, std::move(rule), std::move(done));
  };
  auto& socket = connection_->stream.next_layer();
  error_code not_numeric;
  const auto numeric = asio::ip::make_address(to.host, not_numeric);
  if (!not_numeric) {
    unsigned short port = 0;
    std::from_chars(to.port.data(), to.port.data() + to.port.size(), port);
    asio::async_connect(socket, std::array{tcp::endpoint(numeric, port)}, std::move(connected));
    return;
  }
  connection_->resolver.async_resolve(
      to.host, to.port,
      [&socket, next = std::move(connected)](error_code error,
                                             const tcp::resolver::results_type& found) mutable {
        if (error) return std::move(next)(error, tcp::endpoint());
        asio::async_connect(socket, found, std::move(next));
      });
}

void ByteStream::handshake(Side side, PeerRule rule, Finished finished) {
  auto& stream = connection_->stream;
  error_code ignored;
  stream.next_layer().set_option(tcp::no_delay(true), ignored);
  // TCP waits twice as long after each loss, so after a stall of a few seconds a new connection is sooner
  // there than its next try.
  const unsigned int longest_unacknowledged = 5000;  // ms
  ::setsockopt(stream.next_layer().native_handle(), IPPROTO_TCP, TCP_USER_TIMEOUT, &longest_unacknowledged,
               sizeof longest_unacknowledged);
  peer_.address = to_text(stream.next_layer().remote_endpoint(ignored));
  stream.set_verify_callback(
      [this, rule = std::move(rule)](bool good, asio::ssl::verify_context& context) {
        return admit(good, *context.native_handle(), rule, refusal_);
      },
      ignored);
  stream.async_handshake(
      side == Side::server ? asio::ssl::stream_base::server : asio::ssl::stream_base::client,
      [this, done = std::move(finished)](error_code error) mutable {
        if (!error) read_identity();
        std::move(done)(error);
      });
}

void ByteStream::read_identity() {
  last_read_ = std::chrono::steady_clock::now();
  const X509* certificate = SSL_get0_peer_certificate(connection_->stream.native_handle());
  if (certificate == nullptr) return;  // a public server's client
  Peer peer = read_peer(*certificate);
  peer.address = std::move(peer_.address);
  peer_ = std::move(peer);
}

// Beast calls this after a broken frame, and would wait as long as the peer likes.
void ByteStream::shut_down(Finished finished) {
  auto timer = std::make_shared<asio::steady_timer>(get_executor());
  const auto over = std::make_shared<bool>(false);
  timer->expires_after(std::chrono::seconds(2));
  timer->async_wait([this, over](error_code cancelled) {
    if (!cancelled && !*over) close();  // `finished` hasn't been called, so it still keeps this stream alive
  });
  connection_->stream.async_shutdown([timer, over, done = std::move(finished)](error_code) mutable {
    *over = true;
    timer->cancel();
    std::move(done)(error_code());
  });
}

void ByteStream::drain(Finished finished) {
  constexpr std::size_t kMost = 16 * 1024 * 1024;
  error_code ignored;
  connection_->stream.next_layer().shutdown(tcp::socket::shutdown_send, ignored);
  discard(std::make_shared<std::array<char, 4096>>(), kMost, std::move(finished));
}

void ByteStream::discard(std::shared_ptr<std::array<char, 4096>> scratch, std::size_t left,
                         Finished finished) {
  const auto buffer = asio::buffer(*scratch);
  connection_->stream.next_layer().async_read_some(
      buffer, [this, scratch, left, done = std::move(finished)](error_code error, std::size_t size) mutable {
        if (error || size >= left) return std::move(done)(error);
        discard(std::move(scratch), left - size, std::move(done));
      });
}

void ByteStream::close() {
  error_code ignored;
  connection_->resolver.cancel();
  connection_->stream.next_layer().close(ignored);
}

bool ByteStream::has_input() {
  pollfd poll_one{connection_->stream.next_layer().native_handle(), POLLIN, 0};
  return poll(&poll_one, 1, 0) != 0;
}

std::string ByteStream::why(const error_code& error) const {
  return refused_peer() ? refusal_ : describe_tls_error(error);
}

void ByteStream::read_some(const Gathered<asio::mutable_buffer>& to, Transferred done) {
  connection_->stream.async_read_some(
      to, [this, next = std::move(done)](error_code error, std::size_t size) mutable {
        if (size > 0) last_read_ = std::chrono::steady_clock::now();
        std::move(next)(error, size);
      });
}

void ByteStream::write_some(const Gathered<asio::const_buffer>& from, Transferred done) {
  connection_->stream.async_write_some(from, std::move(done));
}

void beast_close_socket(ByteStream& stream) { stream.close(); }

// Beast demands the blocking form too, but calls it in blocking operations only, which we don't use.
void teardown(boost::beast::role_type, ByteStream& stream, error_code& error) {
  error = {};
  stream.close();
}

}  // namespace bascule::net
