// HTTP/1.1 over TLS with client certificates: the messages, the server and the blocking client.
//
// Everything is bounded: header bytes, body bytes, connections, time per request, idle time. The TLS floor
// is 1.2. Who speaks is the peer's certificate: its subject's CN and OU (base/net/tls.h).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/net/tls.h"
#include "base/result.h"
#include "base/time.h"

namespace bascule::net {

struct HttpRequest {
  std::string method;  // "GET"
  std::string target;  // "/v1/vms?limit=5" as sent, at most 8 KiB
  std::string content_type;
  std::string body;
  std::map<std::string, std::string> headers;  // lower-case names
  Peer peer;                                   // who, by certificate; on the client side unused
};

// The body of an answer that goes on, sent piece by piece (chunks: RFC 9112, 7.1). It holds its connection,
// which ends with it; the client may leave at any time. All members may be called from any thread.
class BodyStream {
 public:
  virtual ~BodyStream() = default;
  // False when the connection is gone, or when more than 1 MiB waits to be sent: it is closed then.
  virtual bool send(std::string bytes) = 0;
  virtual void end() = 0;  // after what was sent
  // Calls once on the server's thread, unless the connection is gone by then. The last asked for counts.
  virtual void later(Duration after, std::function<void()> call) = 0;
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::map<std::string, std::string> headers;
  // Of a server's answer whose body goes on instead: called once, on the server's thread.
  std::function<void(std::shared_ptr<BodyStream>)> goes_on{};
};

// Whose an address is, as far as one can tell: an IPv4 address itself, of an IPv6 address its /64. What is no
// address stays as it is.
std::string network_of(const std::string& address);
// "2001:db8::1" of a peer's "[2001:db8::1]:51000".
std::string host_of(const std::string& peer_address);

struct HttpLimits {
  std::size_t header_bytes = 16 * 1024;
  std::size_t body_bytes = 1024 * 1024;
  std::size_t connections = 256;
  std::size_t connections_per_address = 0;  // of one network_of(); 0: no bound of its own
  Duration request_time = 30s;  // from the first byte of a request to its last, and for the handler's answer
  Duration idle_time = 60s;     // of a kept connection
};

// Called exactly once, from any thread; later calls and calls after the connection died are ignored.
using HttpReply = std::function<void(HttpResponse)>;
// Runs on the server's thread and must not block: it replies at once or keeps `reply` for later.
using HttpHandler = std::function<void(HttpRequest request, HttpReply reply)>;

// One WebSocket (RFC 6455), of text messages or of bytes. All members may be called from any thread.
class WebSocket {
 public:
  virtual ~WebSocket() = default;
  // False when the connection is gone, or when more than the limit is waiting to be sent: the socket is then
  // closed, because a peer that doesn't read must not cost memory.
  virtual bool send(std::string message) = 0;
  virtual std::size_t queued() const = 0;  // bytes that wait to be sent
  // While paused nothing is read, so that the peer has to wait; one more message may come.
  virtual void pause(bool paused) = 0;
  virtual void close(const std::string& why = "") = 0;  // the peer is told why, in up to 120 bytes
  virtual const Peer& peer() const = 0;
};

struct WebSocketLimits {
  bool bytes = false;  // messages are bytes, not text; either kind is taken
  std::size_t message_bytes = 4 * 1024 * 1024;
  std::size_t queued_bytes = 16 * 1024 * 1024;
  Duration idle_time = 20s;  // without a byte from the peer; pings go out at a third of it
};

// Called on the loop's thread, in order: on_open once, on_message any number of times, on_close once. Between
// them on_drained, whenever all that was to be sent has been.
struct WebSocketEvents {
  std::function<void(std::shared_ptr<WebSocket>)> on_open;
  std::function<void(const std::shared_ptr<WebSocket>&, std::string message)> on_message;
  std::function<void(const std::shared_ptr<WebSocket>&, std::string why)> on_close;
  std::function<void(const std::shared_ptr<WebSocket>&)> on_drained;
};

// Whether a WebSocket may be opened, and what becomes of it: nothing means 404. On the loop's thread.
using WebSocketDoor =
    std::function<std::optional<WebSocketEvents>(const std::string& target, const Peer& peer)>;
struct WebSocketPath {
  WebSocketDoor door;
  WebSocketLimits limits;
};

struct ServerOptions {
  std::string address;     // numeric
  std::uint16_t port = 0;  // 0: any free port
  TlsFiles tls;            // without a CA the server is public: it asks nobody for a certificate
  std::string admit_role;  // OU that a client's certificate must have; empty where the server is public
  // Instead of tls.ca and admit_role. Whose card is revoked or over is cut off within seconds.
  std::optional<CardRules> cards{};
  // Asked about each peer when it comes and every two seconds: why not, or empty. Whoever loses it is cut
  // off. On the server's thread; may be empty.
  std::function<std::string(const Peer& peer)> why_not{};
  HttpLimits http;
  // By path, such as "/host-session"; or by what paths begin with, such as "/v1/consoles/".
  std::map<std::string, WebSocketPath> websockets;
};

// Owns one thread. Destruction stops it, closes every connection and joins.
class Server {
 public:
  static Result<std::unique_ptr<Server>> start(ServerOptions options, HttpHandler handler);
  virtual ~Server() = default;
  virtual std::uint16_t port() const = 0;
};

struct ClientOptions {
  std::string address;  // "198.18.0.2:7443", "[::1]:7443"; a name's look-up may hold up the destruction
  TlsFiles tls;         // without a certificate: for public servers; without a CA: the system's count
  std::string expect_role = "manager";  // OU of the server's certificate; empty: its name is enough
  // SHA-256 of the server's certificate, hexadecimal: then that alone counts, whoever signed it.
  std::string fingerprint{};
  Duration connect_time = 3s;  // name, TCP and TLS together
  std::size_t body_bytes = 16 * 1024 * 1024;
};

// A blocking client with one kept connection. One thread at a time. request() opens the connection when
// needed and fails with `timeout`, `unavailable` or `denied` (certificates); sent and not answered is
// `unknown_outcome`.
class HttpClient {
 public:
  static Result<std::unique_ptr<HttpClient>> make(ClientOptions options);
  virtual ~HttpClient() = default;
  virtual Result<HttpResponse> request(const HttpRequest& request, Duration time) = 0;
};

// Many requests at once to one server, each on a connection of its own from a bounded pool of kept ones. Any
// thread may ask; `reply` is called exactly once, on the pool's thread. Errors as of HttpClient; `exhausted`:
// too many wait, nothing was sent.
struct PoolOptions {
  ClientOptions client;
  std::size_t connections = 256;
  std::size_t waiting = 2048;
};
class HttpPool {
 public:
  using Reply = std::function<void(Result<HttpResponse>)>;
  static Result<std::unique_ptr<HttpPool>> make(PoolOptions options);
  virtual ~HttpPool() = default;  // open requests are answered: `unavailable`
  virtual void request(HttpRequest request, Duration time, Reply reply) = 0;
};

// Opens WebSockets, all on one thread of its own; on_close tells of a failed dial too (without on_open before
// it). Destruction closes them and joins the thread; no event comes after that. Any thread may dial.
class WebSocketDialer {
 public:
  // Of `options`, the address is that of each dial.
  static Result<std::unique_ptr<WebSocketDialer>> make(ClientOptions options);
  virtual ~WebSocketDialer() = default;
  virtual void dial(const std::string& address, std::string path, WebSocketLimits limits,
                    WebSocketEvents events) = 0;
};

// One WebSocket with a thread of its own, as a dialer makes it. Destruction closes it and joins the thread.
class WebSocketClient {
 public:
  static Result<std::unique_ptr<WebSocketClient>> dial(const ClientOptions& options, std::string path,
                                                       WebSocketLimits limits, WebSocketEvents events);
  virtual ~WebSocketClient() = default;
};

// Two WebSockets that are one conversation: what comes in at one end goes out at the other, and either's end
// is the other's. An end that can't keep up makes the other wait. Thread-safe; the sockets hold it.
class WebSocketJoint {
 public:
  enum class End { near, far };
  // `ended` is called once.
  static std::shared_ptr<WebSocketJoint> make(std::function<void(const std::string& why)> ended);
  virtual ~WebSocketJoint() = default;
  virtual WebSocketEvents events(End end) = 0;  // for the socket that is this end
  virtual void close(const std::string& why) = 0;
};

}  // namespace bascule::net
