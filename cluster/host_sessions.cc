#include "cluster/host_sessions.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <optional>

#include "base/json.h"
#include "base/log.h"
#include "base/net/http.h"
#include "base/net/problem.h"

namespace bascule {

namespace {

using SocketPointer = std::shared_ptr<net::WebSocket>;

class Sessions final : public HostSessions {
 public:
  Sessions(HostSessionsOptions options, const Clock& clock, Post post)
      : options_(std::move(options)), clock_(clock), post_(std::move(post)) {}
  ~Sessions() override { server_.reset(); }  // its thread calls into us

  Status listen();
  void send(const SendCommand& command) override;
  bool tell(const Copy& host, const wire::FromManager& message) override;
  void keep_storage(const std::vector<HostId>& hosts) override;
  std::uint16_t port() const override { return server_->port(); }

 private:
  struct Session {
    SocketPointer socket;
    std::optional<Copy> from;  // from Hello on
    Duration host_clock{};     // as last told, and when we heard it
    Instant told;
    Instant second;  // of the flood count
    std::size_t messages = 0;
  };
  using Refusal = std::optional<std::string>;

  void opened(const SocketPointer& socket);
  void received(const SocketPointer& socket, const std::string& text);
  void closed(const SocketPointer& socket, const std::string& why);
  bool floods(Session& session, Instant now) const;
  Refusal hear(Session& session, wire::FromHost message);
  Refusal greet(Session& session, wire::Hello hello);
  Refusal check(const Session& session, const wire::Hello& hello) const;
  wire::Welcome welcome_for(const HostId& host) const;
  void hang_up(const SocketPointer& socket, const std::string& why);
  void forget(const SocketPointer& socket, const std::string& why);

  const HostSessionsOptions options_;
  const Clock& clock_;
  const Post post_;
  mutable std::mutex mutex_;  // of the sessions; never held while posting
  std::map<const net::WebSocket*, Session> sessions_;
  std::map<HostId, const net::WebSocket*> current_;
  std::vector<HostId> kept_;
  std::unique_ptr<net::Server> server_;
};

Status Sessions::listen() {
  net::ServerOptions server;
  server.address = options_.address;
  server.port = options_.port;
  server.tls = options_.tls;
  server.admit_role = "host";
  server.why_not = options_.why_not;
  net::WebSocketEvents events;
  events.on_open = [this](SocketPointer socket) { opened(socket); };
  events.on_message = [this](const SocketPointer& socket, const std::string& text) {
    received(socket, text);
  };
  events.on_close = [this](const SocketPointer& socket, const std::string& why) { closed(socket, why); };
  server.websockets[std::string(wire::kHostSessionPath)].door =
      [events](const std::string&, const net::Peer&) { return std::optional(events); };
  auto started = net::Server::start(
      std::move(server), options_.requests ? options_.requests : net::HttpHandler(net::answer_nothing));
  if (!started) return failure(started.error().within("host sessions"));
  server_ = std::move(*started);
  return {};
}

// ---- On the server's thread ----

void Sessions::opened(const SocketPointer& socket) {
  const std::lock_guard lock(mutex_);
  Session& session = sessions_[socket.get()];
  session.socket = socket;
  session.second = clock_.now();
}

void Sessions::received(const SocketPointer& socket, const std::string& text) {
  Session* session = nullptr;
  {
    // Only this thread adds and removes sessions, so the pointer stays good without the lock.
    const std::lock_guard lock(mutex_);
    const auto found = sessions_.find(socket.get());
    if (found == sessions_.end()) return;
    session = &found->second;
  }
  if (floods(*session, clock_.now())) return hang_up(socket, "too many messages in one second");
  Result<wire::FromHost> message = json::decode_text<wire::FromHost>(text, json::Unknown::tolerate);
  if (!message) return hang_up(socket, "a message that can't be read: " + message.error().message);
  if (const Refusal refusal = hear(*session, std::move(*message))) hang_up(socket, *refusal);
}

void Sessions::closed(const SocketPointer& socket, const std::string& why) { forget(socket, why); }

bool Sessions::floods(Session& session, Instant now) const {
  if (now - session.second >= 1s) {
    session.second = now;
    session.messages = 0;
  }
  return ++session.messages > options_.messages_per_second;
}

Sessions::Refusal Sessions::hear(Session& session, wire::FromHost message) {
  if (auto* hello = std::get_if<wire::Hello>(&message)) return greet(session, std::move(*hello));
  if (!session.from) return "the first message must be hello";
  const Copy from = *session.from;
  if (auto* heartbeat = std::get_if<wire::Heartbeat>(&message)) {
    // No decision hangs on it: it goes no further.
    const auto usage = std::exchange(heartbeat->usage, std::nullopt);
    if (usage && options_.measured) options_.measured(from.host, *usage);
    const std::lock_guard lock(mutex_);
    session.host_clock = heartbeat->clock;
    session.told = clock_.now();
  }
  const auto to_event = [&from](auto& body) -> EventBody {
    using Body = std::decay_t<decltype(body)>;
    if constexpr (std::is_same_v<Body, wire::Heartbeat>)
      return HostHeartbeat{from, std::move(body)};
    else if constexpr (std::is_same_v<Body, wire::DomainChanged>)
      return HostDomainChanged{from, std::move(body)};
    else if constexpr (std::is_same_v<Body, wire::HostFault>)
      return HostFaultReported{from, std::move(body)};
    else if constexpr (std::is_same_v<Body, wire::VolumesSeen>)
      return HostVolumesSeen{from, std::move(body)};
    else if constexpr (std::is_same_v<Body, wire::ImageSeen>)
      return HostImageSeen{from, std::move(body)};
    else if constexpr (std::is_same_v<Body, wire::CommandReply>)
      return HostReplied{from, std::move(body)};
    else
      return HostHello{std::move(body)};
  };
  if (!post_(std::visit(to_event, message))) return "the manager is overloaded or stopping";
  return std::nullopt;
}

Sessions::Refusal Sessions::check(const Session& session, const wire::Hello& hello) const {
  const net::Peer& peer = session.socket->peer();
  if (session.from) return "hello was said already";
  if (hello.protocol != wire::kProtocol)
    return "protocol " + std::to_string(hello.protocol) + " is not spoken here, only " +
           std::to_string(wire::kProtocol) + ": upgrade the older side";
  if (hello.cluster != options_.leadership.cluster)
    return "it belongs to cluster \"" + hello.cluster.value + "\", this is \"" +
           options_.leadership.cluster.value + "\"";
  if (hello.host.value != peer.name)
    return "it calls itself \"" + hello.host.value + "\" but its certificate says \"" + peer.name + "\"";
  const auto same = [&hello](const wire::PeerAddress& entry) { return entry.host == hello.host; };
  if (std::none_of(options_.peers.begin(), options_.peers.end(), same))
    return "host \"" + hello.host.value + "\" is not in the inventory: add it to manager.toml";
  if (!is_valid_uuid(hello.boot_id.value)) return "its boot_id is no UUID";
  return std::nullopt;
}

Sessions::Refusal Sessions::greet(Session& session, wire::Hello hello) {
  if (const Refusal refusal = check(session, hello)) return refusal;
  const HostId host = hello.host;
  SocketPointer older;
  {
    const std::lock_guard lock(mutex_);
    session.from = Copy{host, hello.boot_id};
    session.host_clock = hello.clock;
    session.told = clock_.now();
    const net::WebSocket*& current = current_[host];
    if (const auto found = sessions_.find(current); current && found != sessions_.end())
      older = found->second.socket;
    current = session.socket.get();
  }
  if (older) older->close();
  log(LogLevel::info, "host_sessions", "hello",
      {{"host", host},
       {"boot_id", hello.boot_id},
       {"from", session.socket->peer().address},
       {"build", hello.build}});
  // Before the event, so that no command overtakes it: until Welcome a host obeys nobody.
  session.socket->send(json::encode_text<wire::FromManager>(welcome_for(host)));
  if (!post_(HostHello{std::move(hello)})) return "the manager is overloaded or stopping";
  return std::nullopt;
}

wire::Welcome Sessions::welcome_for(const HostId& host) const {
  wire::Welcome welcome;
  welcome.cluster = options_.leadership.cluster;
  welcome.epoch = options_.leadership.epoch;
  welcome.term = options_.leadership.term;
  welcome.manager = options_.leadership.manager;
  welcome.heartbeat = options_.heartbeat;
  for (const wire::PeerAddress& peer : options_.peers)
    if (peer.host != host) welcome.peers.push_back(peer);
  const std::lock_guard lock(mutex_);
  welcome.kept = kept_;
  return welcome;
}

void Sessions::hang_up(const SocketPointer& socket, const std::string& why) {
  log(LogLevel::warning, "host_sessions", "refused",
      {{"peer", socket->peer().name}, {"from", socket->peer().address}, {"why", why}});
  forget(socket, why);
  socket->close();
}

// The engine hears of the end of a host's current session only: an older one's says nothing about the host.
void Sessions::forget(const SocketPointer& socket, const std::string& why) {
  std::optional<Copy> ended;
  {
    const std::lock_guard lock(mutex_);
    const auto found = sessions_.find(socket.get());
    if (found == sessions_.end()) return;
    const std::optional<Copy> from = found->second.from;
    sessions_.erase(found);
    if (from) {
      const auto current = current_.find(from->host);
      if (current != current_.end() && current->second == socket.get()) {
        current_.erase(current);
        ended = from;
      }
    }
  }
  if (!ended) return;
  log(LogLevel::info, "host_sessions", "closed", {{"host", ended->host}, {"why", why}});
  // When too many events wait even this one is dropped: silence tells the engine the same.
  if (!post_(HostSessionClosed{*ended, why}))
    log(LogLevel::warning, "host_sessions", "end_not_told", {{"host", ended->host}});
}

// ---- On any thread ----

void Sessions::send(const SendCommand& command) {
  SocketPointer socket;
  Duration not_after{};
  {
    const std::lock_guard lock(mutex_);
    const auto current = current_.find(command.to.host);
    const auto found = current == current_.end() ? sessions_.end() : sessions_.find(current->second);
    if (found != sessions_.end() && found->second.from == command.to) {
      socket = found->second.socket;
      not_after = found->second.host_clock + (clock_.now() - found->second.told) + options_.command_validity;
    }
  }
  if (!socket) {
    log(LogLevel::info, "host_sessions", "command_dropped",
        {{"host", command.to.host}, {"boot_id", command.to.boot_id}, {"action", command.action}});
    return;
  }
  const wire::Command complete = make_command(options_.leadership, command, not_after);
  socket->send(json::encode_text<wire::FromManager>(complete));
}

bool Sessions::tell(const Copy& host, const wire::FromManager& message) {
  SocketPointer socket;
  {
    const std::lock_guard lock(mutex_);
    const auto current = current_.find(host.host);
    const auto found = current == current_.end() ? sessions_.end() : sessions_.find(current->second);
    if (found != sessions_.end() && found->second.from == host) socket = found->second.socket;
  }
  return socket && socket->send(json::encode_text(message));
}

void Sessions::keep_storage(const std::vector<HostId>& hosts) {
  std::vector<std::pair<HostId, SocketPointer>> welcomed;
  {
    const std::lock_guard lock(mutex_);
    kept_ = hosts;
    for (const auto& [socket, session] : sessions_)
      if (session.from) welcomed.emplace_back(session.from->host, session.socket);
  }
  for (const auto& [host, socket] : welcomed)
    socket->send(json::encode_text<wire::FromManager>(welcome_for(host)));
}

}  // namespace

Result<std::unique_ptr<HostSessions>> HostSessions::start(HostSessionsOptions options, const Clock& clock,
                                                          Post post) {
  auto sessions = std::make_unique<Sessions>(std::move(options), clock, std::move(post));
  if (const Status listening = sessions->listen(); !listening) return failure(listening.error());
  return sessions;
}

}  // namespace bascule
