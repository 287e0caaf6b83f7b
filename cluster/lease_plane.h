// The lease plane: what the manager grants to the guards of its hosts, apart from the engine.
//
// GrantTable decides, pure but for a mutex: `now` comes as an argument and every member may be called from
// any thread. LeasePlane serves it to the guards over HTTPS on a thread of its own, so that neither a slow
// disk nor a busy engine delays a renewal.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/net/tls.h"
#include "base/result.h"
#include "base/time.h"
#include "base/wire.h"
#include "cluster/leadership.h"
#include "failover/action.h"
#include "failover/event.h"
#include "failover/policy.h"

namespace bascule {

struct LeaseSettings {
  Leadership leadership;
  LeaseMode mode = LeaseMode::keep;
  Duration ttl = 10s;
  Duration kill_budget = 2s;
  Duration watchdog_timeout = 5s;  // a guard whose watchdog bites later doesn't count as armed

  // The longest that a host may still run on a grant of this length: by the manager's clock, the host's being
  // up to 1 % slower.
  Duration lapse_of(Duration length) const {
    return length + length / 100 + kill_budget + watchdog_timeout + 500ms;
  }
};
LeaseSettings lease_settings(const Policy& policy, const Leadership& leadership);

// Whether a host's clocks run at the rate of ours, from the times that its requests carry. Their delay
// varies, so the fastest request of each window of time stands for it.
class RateCheck {
 public:
  // False while the rates differ by more than 1 %: from then until two whole windows agree again.
  bool observe(Instant now, Duration raw_clock, Duration boot_clock);
  bool ok() const { return ok_; }

 private:
  struct Sample {
    Instant at;
    Duration lag{};  // how much further our clock went than the host's since the origin
  };
  static bool agree(const Sample& before, const Sample& after, Duration slack);
  void begin(Instant now, Duration raw_clock, Duration boot_clock);
  void close_window(Instant now);

  bool ok_ = true;
  bool begun_ = false;
  Instant origin_;
  Duration raw_origin_{};
  Duration boot_origin_{};
  Instant window_began_;
  int window_count_ = 0;
  Sample window_best_;
  std::optional<Sample> first_;     // best of the first window: shows slow drifts
  std::optional<Sample> previous_;  // best of the last whole window: shows sudden ones
};

// One boot of a host as the table sees it: for readiness and for people.
struct LeaseView {
  Copy copy;
  bool armed = false;
  bool revoked = false;  // or withheld
  LeaseMode echoed_mode = LeaseMode::keep;
  std::optional<Instant> last_renewal;  // absent: none since this manager leads
  Instant granted_until;                // of the longest grant
  std::string problem;                  // why not armed in mode stop; empty when all is well
};

class GrantTable {
 public:
  // Leads from the start and without a bound, as with the embedded store; see lead_until().
  explicit GrantTable(LeaseSettings settings);

  void admit(const HostId& host);  // of the inventory; others are `unknown_host`
  void dismiss(const HostId& host);

  // Leadership holds until then, from the send of its last keepalive less the rate margin.
  void lead_until(Instant until);

  // `peer` is the name in the guard's certificate. Call it after the request was read, with the time of now.
  wire::LeaseReply answer(const wire::LeaseRequest& request, std::string_view peer, Instant now);

  // The point from which a lapse counts: once it has returned, no grant for this boot is made. Repeated calls
  // tell the same facts, with the time to wait from `now`.
  LeaseRevoked revoke(const RevokeLease& order, Instant now);
  // The boot may be granted leases again: only by a committed decision that clears its host.
  void allow(const Copy& copy);

  // A stop grant of ours was echoed by a guard with an armed watchdog and honest clocks.
  bool armed(const Copy& copy) const;

  // The length of grants from now on: a long one before a planned stop, once the engine has stopped and
  // nothing is revoked any more. A successor counts no host as armed that hasn't echoed a grant of its own,
  // so it never takes such a lease for lapsed.
  void set_ttl(Duration ttl);
  // Every boot that was granted a lease within the last `recent` holds one for longer than `length`, or was
  // revoked.
  bool all_hold(Duration length, Duration recent, Instant now) const;
  // From a boot that was granted a lease within the last `recent`, or by a predecessor, it is withheld:
  // should its guard live, it is about to ask.
  bool withholds(Duration recent, Instant now) const;

  std::vector<LeaseView> views() const;
  const LeaseSettings& settings() const { return settings_; }

 private:
  static constexpr std::size_t kMostBoots = 4;  // of one host that are remembered, beside the revoked ones

  enum class Standing { granted, withheld, revoked };
  struct Boot {
    Standing standing = Standing::granted;
    std::uint64_t last_sequence = 0;
    std::uint64_t first_grant = 0;  // sequences of our own grants; 0: none
    std::uint64_t last_grant = 0;
    std::uint64_t echo = 0;  // of our own grants only
    LeaseMode echoed_mode = LeaseMode::keep;
    bool watchdog_armed = false;
    Duration watchdog_timeout{};
    RateCheck rate;
    std::optional<Instant> last_renewal;
    Instant granted_until;
    bool renewed_within(Duration recent, Instant now) const {
      return last_renewal && now - *last_renewal <= recent;
    }
  };
  std::string refusal(const wire::LeaseRequest& request, std::string_view peer) const;
  Boot& boot_of(const Copy& copy);
  void note(Boot& boot, const wire::LeaseRequest& request, Instant now);
  std::string problem_of(const Boot& boot) const;
  bool is_armed(const Boot& boot) const {
    return settings_.mode == LeaseMode::stop && problem_of(boot).empty();
  }

  const LeaseSettings settings_;
  mutable std::mutex mutex_;
  Duration ttl_;
  std::optional<Instant> leading_until_;
  std::set<HostId> hosts_;
  std::map<Copy, Boot> boots_;
};

struct LeasePlaneOptions {
  std::string address;
  std::uint16_t port = 0;
  net::TlsFiles tls;
  std::function<std::string(const net::Peer& guard)> why_not{};  // see net::ServerOptions
};

class LeasePlane {
 public:
  // Told LeaseObserved when `armed` of a boot changes, and LeaseAsked when a boot asks for what is withheld
  // from it; on the server's thread, must not block. False: not taken, it is told again with the next
  // request.
  using Post = std::function<bool(EventBody)>;

  // `table` and `clock` must outlive it. Destruction stops it.
  static Result<std::unique_ptr<LeasePlane>> start(LeasePlaneOptions options, GrantTable& table,
                                                   const Clock& clock, Post post);
  virtual ~LeasePlane() = default;
  virtual std::uint16_t port() const = 0;
};

}  // namespace bascule
