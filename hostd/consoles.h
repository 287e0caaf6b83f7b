// Consoles: the bytes between a guest's serial line or screen and the manager, which passes them on.
//
// Nothing of them is kept or looked at here. One of each kind for a guest: a newer takes the older's place.
// Threads: open() blocks on the hypervisor; the bytes move on one thread of its own and the dialer's.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "base/net/http.h"
#include "base/wire.h"
#include "hostd/agent.h"
#include "hostd/hypervisor.h"

namespace bascule::hostd {

// Where a console is, by the live definition of its guest: a pseudo terminal, or a Unix socket.
Result<std::string> console_path(const std::string& domain_xml, wire::ConsoleKind kind);

class Consoles {
 public:
  static constexpr std::size_t kMost = 256;  // at once

  // `connects`: where it ends is dialled with this.
  static Result<std::unique_ptr<Consoles>> start(Hypervisor& hypervisor, const net::TlsFiles& tls,
                                                 const Clock& clock);
  ~Consoles();  // closes all

  // Does as wire::OpenStream says. `agent` knows which guests run here.
  void open(const wire::OpenStream& order, Agent& agent, const std::string& manager);
  // Ends those that were opened without a grant and couldn't be any more. Blocks on the hypervisor and the
  // storage.
  void look_again(Agent& agent);

 private:
  struct Line;
  using LinePointer = std::shared_ptr<Line>;

  Consoles(Hypervisor& hypervisor, const Clock& clock, std::unique_ptr<net::WebSocketDialer> dialer,
           int wake);
  struct Opened {
    int file = -1;
    std::optional<WallTime> until;  // of the grant that let them in
  };
  Result<std::optional<WallTime>> may_open(const wire::OpenStream& order, Agent& agent, std::string& path);
  Result<Opened> connect(const wire::OpenStream& order, Agent& agent);
  void join(const LinePointer& line);
  net::WebSocketEvents events_of(const LinePointer& line);
  void run();
  void wake();

  int wait_for_end() const;
  void end_expired();

  Hypervisor& hypervisor_;
  const Clock& clock_;
  const int wake_;  // an eventfd
  std::mutex mutex_;
  std::map<std::string, LinePointer> lines_;  // by guest and kind
  bool ending_ = false;
  std::unique_ptr<net::WebSocketDialer> dialer_;
  std::thread thread_;
};

}  // namespace bascule::hostd
