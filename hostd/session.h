// Session: the conversation with whichever manager leads. One thread dials the managers in turn, says Hello,
// and after the Welcome sends heartbeats at the manager's pace, the agent's news and replies; commands go to
// workers.
//
// What is said while no session is up waits in a bounded queue and follows the next Welcome.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/net/http.h"
#include "base/time.h"
#include "base/wire.h"
#include "hostd/agent.h"
#include "hostd/consoles.h"
#include "hostd/images.h"
#include "hostd/peer_probe.h"
#include "hostd/usage_meter.h"
#include "hostd/workers.h"

namespace bascule::hostd {

struct SessionOptions {
  std::vector<std::string> managers;
  net::TlsFiles tls;
};

class Session {
 public:
  Session(SessionOptions options, const Clock& clock);
  ~Session();  // closes the connection and joins

  // From any thread, never blocks: the agent's `tell`.
  void say(wire::FromHost message);
  // Each may be null: then this host opens no consoles, takes no images, tells of no usage.
  struct Others {
    Consoles* consoles = nullptr;
    Images* images = nullptr;
    UsageMeter* usage = nullptr;
  };
  void start(Agent& agent, PeerProbe& probe, Workers& workers, const Others& others);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace bascule::hostd
