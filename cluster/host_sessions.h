// HostSessions: the command plane. Hosts dial in over mTLS WebSockets; what they say becomes Events, what the
// engine wants becomes Commands.
//
// A host is who its certificate says. One session per host: a newer replaces the older. The first message is
// Hello, of our protocol and cluster; anything that doesn't decode closes the session with the reason.
// Threads: send() and the destructor from any thread; events are posted from the server's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/net/http.h"
#include "base/result.h"
#include "base/time.h"
#include "cluster/leadership.h"
#include "failover/action.h"
#include "failover/event.h"

namespace bascule {

struct HostSessionsOptions {
  std::string address;
  std::uint16_t port = 0;
  net::TlsFiles tls;
  Leadership leadership;
  Duration heartbeat{};
  Duration command_validity{};
  std::vector<wire::PeerAddress> peers;  // all hosts of the inventory: each is told of the others

  // Told what a host and its guests use; on the server's thread, must not block. May be empty.
  std::function<void(const HostId& host, const wire::Usage& usage)> measured{};
  std::size_t messages_per_second = 200;                        // of one host; more closes its session
  std::function<std::string(const net::Peer& host)> why_not{};  // see net::ServerOptions
  // What hosts ask beside their session, as HTTP; nothing is served where it is empty.
  net::HttpHandler requests{};
};

class HostSessions {
 public:
  // False: too many events wait. The session that it came from is then closed; its next Hello says all again.
  using Post = std::function<bool(EventBody)>;

  static Result<std::unique_ptr<HostSessions>> start(HostSessionsOptions options, const Clock& clock,
                                                     Post post);
  virtual ~HostSessions() = default;

  // A command to a boot that has no session is dropped: the engine asks again when the host says Hello, or at
  // the action's deadline.
  virtual void send(const SendCommand& command) = 0;

  // What is no command. False when that boot has no session.
  virtual bool tell(const Copy& host, const wire::FromManager& message) = 0;

  // Told to every host that has a session, and to each that comes, in its Welcome.
  virtual void keep_storage(const std::vector<HostId>& hosts) = 0;

  virtual std::uint16_t port() const = 0;
};

}  // namespace bascule
