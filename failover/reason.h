// Why something was decided, or not: a closed list. Every decision, also "did nothing", carries one.
#pragma once

#include <array>
#include <string_view>

#include "base/fields.h"

namespace bascule {

enum class Reason {
  requested,          // an operator or tenant asked for it
  placed,             // chosen by placement, see the explanation beside it
  no_capacity,        // no host at the landing site can carry it
  heartbeats_missed,  // suspicion: heartbeats and peer probes failed
  peer_sees_it,       // held: a peer still sees the host alive
  manager_isolated,   // held: no host at all is heard, the fault is probably at our own end
  brake,              // held: too many hosts fenced or relocated in the window
  recovering_epoch,   // held: the database was restored, hosts must report first
  own_stall,          // detectors restarted: the manager itself had stalled
  host_back,          // heard again before anything was decided
  fencing_started,
  storage_needs_it,     // its power isn't cut: the storage would lose data's last copies that are up
  fencing_unavailable,  // held: no evidence can be had (BMC dead or not verified, lease mode keep)
  evidence_power_off,
  evidence_lease_lapsed,
  evidence_host_word,
  evidence_operator,
  evidence_contradicted,  // the same boot spoke after its receipt: void, held, paged
  site_lost,              // all hosts of a site, seen by the other site: lifts the brake only
  started_elsewhere,
  restarted_in_place,
  restart_limit,  // failed too often: a person is needed
  start_failed,
  returned_quarantined,  // a host that was declared faulty came back: it gets nothing until cleared
  stale_copy_stopped,    // a copy that may not run was found and stopped
  out_of_band,           // somebody started or stopped a domain behind our back
  stays_away,            // nothing moves home without an approved plan
  failback_approved,
  failback_refused,
  failback_done,
  plan_stale,  // what the plan had read has changed: make a new one
  device_policy,
  drill_passed,
  drill_failed,
  not_protected,  // the VM is not protected: it is not switched
  stopped_by_guest,
  copies_behind,  // the other site's copy of a volume doesn't follow
  cleared,
  attested,
  to_be_told,  // people are to know of it: it waits in the outbox until accepted
  ends_soon,   // the manager's certificate, or the list of revoked cards
};

constexpr auto enum_names(Reason) {
  using R = Reason;
  return std::array{EnumName<R>{R::requested, "requested"},
                    EnumName<R>{R::placed, "placed"},
                    EnumName<R>{R::no_capacity, "no_capacity"},
                    EnumName<R>{R::heartbeats_missed, "heartbeats_missed"},
                    EnumName<R>{R::peer_sees_it, "peer_sees_it"},
                    EnumName<R>{R::manager_isolated, "manager_isolated"},
                    EnumName<R>{R::brake, "brake"},
                    EnumName<R>{R::recovering_epoch, "recovering_epoch"},
                    EnumName<R>{R::own_stall, "own_stall"},
                    EnumName<R>{R::host_back, "host_back"},
                    EnumName<R>{R::fencing_started, "fencing_started"},
                    EnumName<R>{R::storage_needs_it, "storage_needs_it"},
                    EnumName<R>{R::fencing_unavailable, "fencing_unavailable"},
                    EnumName<R>{R::evidence_power_off, "evidence_power_off"},
                    EnumName<R>{R::evidence_lease_lapsed, "evidence_lease_lapsed"},
                    EnumName<R>{R::evidence_host_word, "evidence_host_word"},
                    EnumName<R>{R::evidence_operator, "evidence_operator"},
                    EnumName<R>{R::evidence_contradicted, "evidence_contradicted"},
                    EnumName<R>{R::site_lost, "site_lost"},
                    EnumName<R>{R::started_elsewhere, "started_elsewhere"},
                    EnumName<R>{R::restarted_in_place, "restarted_in_place"},
                    EnumName<R>{R::restart_limit, "restart_limit"},
                    EnumName<R>{R::start_failed, "start_failed"},
                    EnumName<R>{R::returned_quarantined, "returned_quarantined"},
                    EnumName<R>{R::stale_copy_stopped, "stale_copy_stopped"},
                    EnumName<R>{R::out_of_band, "out_of_band"},
                    EnumName<R>{R::stays_away, "stays_away"},
                    EnumName<R>{R::failback_approved, "failback_approved"},
                    EnumName<R>{R::failback_refused, "failback_refused"},
                    EnumName<R>{R::failback_done, "failback_done"},
                    EnumName<R>{R::plan_stale, "plan_stale"},
                    EnumName<R>{R::device_policy, "device_policy"},
                    EnumName<R>{R::drill_passed, "drill_passed"},
                    EnumName<R>{R::drill_failed, "drill_failed"},
                    EnumName<R>{R::not_protected, "not_protected"},
                    EnumName<R>{R::stopped_by_guest, "stopped_by_guest"},
                    EnumName<R>{R::copies_behind, "copies_behind"},
                    EnumName<R>{R::cleared, "cleared"},
                    EnumName<R>{R::attested, "attested"},
                    EnumName<R>{R::to_be_told, "to_be_told"},
                    EnumName<R>{R::ends_soon, "ends_soon"}};
}

}  // namespace bascule
