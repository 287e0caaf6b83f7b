// Consoles: who looks into which machine now, or sends an image, from the ticket to the last byte.
//
// Whoever may is given a ticket, good once and for half a minute, with which a WebSocket is opened; the
// machine's host, or one that keeps images, is told to dial in with the other end. Nothing of what passes is
// kept or looked at. Whether its holder may still, and whether the machine still runs there, is asked of the
// newest snapshot several times a second: when not, it ends. Thread-safe; one thread of its own.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "base/net/http.h"
#include "base/secret.h"
#include "base/time.h"
#include "base/wire.h"
#include "cluster/snapshot.h"
#include "failover/access/authorize.h"

namespace bascule {

class Consoles {
 public:
  static constexpr std::size_t kMost = 4000;     // tickets and open ones together
  static constexpr std::size_t kMostOfOne = 20;  // of one person
  static constexpr Duration kTicket = 30s;

  // Tells a host's boot; false when it has no session.
  using Tell = std::function<bool(const Copy& host, const wire::FromManager& order)>;

  explicit Consoles(const Clock& clock);
  ~Consoles();  // closes all; the servers that have door() must be gone
  // Before the first ticket. What they call must outlive this, or its end.
  void connect(Tell tell, std::function<SnapshotPointer()> look);
  // Where hosts dial: a listener of its own, so that no console holds up a heartbeat.
  // `why_not`: see net::ServerOptions.
  Status listen(const std::string& address, std::uint16_t port, const net::TlsFiles& tls,
                std::function<std::string(const net::Peer& host)> why_not = {});
  void end();  // closes all, and gives no more tickets

  struct Wanted {
    VmId vm;
    wire::ConsoleKind kind = wire::ConsoleKind::serial;
    std::optional<Grant> grant{};        // for the host
    bool granted = false;                // by the machine's tenant, to somebody of the provider
    std::optional<BrokenGlass> glass{};  // or by two of the provider's people
    std::optional<ImageId> image{};      // instead of a machine: of their tenant, to be sent
  };
  // `who` was found to be allowed to. The ticket is to be the last part of a path at the people's door.
  Result<Secret> admit(const Principal& who, Wanted wanted);

  net::WebSocketPath door();       // for people
  net::WebSocketPath host_door();  // at wire::kStreamPath, of listen()

 private:
  struct Held {
    Principal who;
    Wanted wanted;
    Generation generation;  // that runs
    HostId host;
    Instant until;                               // a ticket's end, or by when the host must have dialled
    bool answered = false;                       // the host has dialled
    std::shared_ptr<net::WebSocketJoint> joint;  // once it is open
  };
  using Id = std::string;  // of a ticket: its hash; of a stream: its name's

  std::optional<net::WebSocketEvents> enter(const std::string& target);
  std::optional<net::WebSocketEvents> answer(const std::string& target, const net::Peer& peer);
  std::optional<Copy> other_end(const State& state, Held& held) const;
  wire::FromManager order_for(const State& state, const Held& held, const Secret& name) const;
  static std::string why_no_console(const State& state, const Held& held);
  std::string why_over(const State& state, const Held& held, Instant now) const;
  void watch();
  void sweep();

  const Clock& clock_;
  Tell tell_;
  std::function<SnapshotPointer()> look_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<Id, Held> tickets_;
  std::map<Id, Held> streams_;
  bool ending_ = false;
  bool closed_ = false;  // listen() failed
  std::unique_ptr<net::Server> server_;
  std::uint16_t port_ = 0;
  std::thread thread_;
};

}  // namespace bascule
