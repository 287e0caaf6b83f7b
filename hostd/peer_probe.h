// Peer probes: each host asks its peers, over UDP, whether they are there, and answers when asked.
//
// A request is 16 bytes: "BSCLPRB?" and a random nonce; the answer the same with '!'. An answer counts only
// for a nonce that was sent to that peer and not answered yet, and its age is that of the request. One
// thread.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/time.h"
#include "base/wire.h"

namespace bascule::hostd {

class PeerProbe {
 public:
  // `address` empty: probes others from any address and answers nobody. Port 0: any free port.
  static Result<std::unique_ptr<PeerProbe>> start(const std::string& address, std::uint16_t port,
                                                  const Clock& clock, Random& random);
  virtual ~PeerProbe() = default;
  virtual std::uint16_t port() const = 0;
  virtual void set_peers(const std::vector<wire::PeerAddress>& peers) = 0;
  virtual void probe() = 0;  // asks every peer once
  virtual std::vector<wire::PeerSighting> sightings() const = 0;
};

inline constexpr std::uint16_t kProbePort = 7446;

}  // namespace bascule::hostd
