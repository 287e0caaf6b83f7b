// Host: a simulated hypervisor: its kernel, hostd's agent, guests and the real lease of bascule-guard.
//
// Obeys as hostd does (base/wire.h): boot, term, tombstone, not_after and lease are checked when a command
// arrives and again just before the guest runs. Everything with an effect outside goes through World.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/wire.h"
#include "failover/fencing.h"
#include "hostd/guard/lease.h"

namespace bascule::sim {

class World;

struct Guest {
  Generation generation;
  bool running = false;  // false: still starting
};

class Host {
 public:
  Host(World& world, HostId id, SiteId site);

  const HostId& id() const { return id_; }
  const SiteId& site() const { return site_; }
  BootId boot_id() const { return BootId(id_.value + "-boot" + std::to_string(boots_)); }
  Copy copy() const { return {id_, boot_id()}; }
  bool alive() const { return alive_; }  // its kernel runs, perhaps frozen
  bool awake() const { return alive_ && !frozen_; }
  const std::map<VmId, Guest>& guests() const { return guests_; }

  void boot();
  void die();  // crash or power cut: every guest is gone
  void freeze();
  void thaw();
  bool restart_agent();                      // hostd alone: guests live, the session ends
  void stall_hypervisor(Duration how_long);  // libvirtd hangs: commands take longer, heartbeats go on
  void crash_guest(VmId vm);
  void start_out_of_band(const VmId& vm);  // `virsh start` behind our back
  void set_clock_rate(double rate);
  guard::HostClocks clocks() const;

  // The session; a number tells which of the manager's lives it belongs to.
  void connected(std::uint64_t session);
  void disconnected(std::uint64_t session);
  bool has_session() const { return session_ != 0; }
  void receive(const wire::FromManager& message);
  void receive_lease(const wire::LeaseReply& reply);
  void peer_answered(const HostId& peer);

 private:
  void say(wire::FromHost message);
  void beat(std::uint64_t boot);
  void beat_now(std::uint64_t boot);
  std::vector<wire::PeerSighting> sightings() const;
  void probe(std::uint64_t boot);
  void renew(std::uint64_t boot);
  void guard_check(std::uint64_t boot);
  void try_connect(std::uint64_t boot);
  void obey(const wire::Command& command);
  void start(const wire::Command& command, const wire::StartVm& order);
  void finish_start(const wire::Command& command, VmId vm, std::uint64_t boot);
  void forbid(const wire::Command& command, const VmId& vm);
  void stop(const wire::Command& command, const wire::StopVm& order);
  std::optional<Error> refusal(const wire::Command& command, const VmId* start) const;
  void reply(const wire::Command& command, std::optional<Error> error, const VmId* vm);
  void remove_guest(VmId vm, wire::DomainCause cause);
  wire::DomainReport report(const VmId& vm) const;
  wire::GuardStatus guard_status() const;
  Duration work_time();

  World& world_;
  const HostId id_;
  const SiteId site_;
  bool alive_ = false;
  bool frozen_ = false;
  std::uint64_t boots_ = 0;
  double rate_ = 1.0;
  Duration clock_base_{};  // so that a change of rate doesn't step the clock
  Instant rate_since_;
  Instant stalled_until_;
  Instant last_guard_;  // when guard last ran: the watchdog's view
  std::uint64_t session_ = 0;
  bool welcomed_ = false;
  Duration heartbeat_ = 1s;
  std::uint64_t beats_ = 0;
  Instant last_beat_;
  std::map<VmId, Guest> guests_;
  std::map<HostId, Instant> peers_;
  std::map<ActionId, wire::CommandReply> replies_;
  std::unique_ptr<guard::Lease> lease_;
  bool lease_answered_ = false;  // the latest request
  // Durable
  std::map<VmId, Generation> tombstones_;
  std::map<VmId, Generation> held_;
  Epoch epoch_;
  Term term_;
};

}  // namespace bascule::sim
