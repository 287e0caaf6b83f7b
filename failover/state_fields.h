// The live parts of State as fields(): for the journal alone, whose segments begin with the whole State. An
// Instant is a number of nanoseconds here; it means something only beside the others of the same State.
// Indexes are left out: rebuild_indexes() makes them anew.
#pragma once

#include <set>
#include <tuple>
#include <vector>

#include "base/fields.h"
#include "failover/state.h"

namespace bascule {

// Encoding only reads (base/json.h): nothing is assigned that is the same already.
template <class T>
void assign_changed(T& member, T value) {
  if (member != value) member = std::move(value);
}

template <class V>
void fields(V& v, Instant& x) {
  std::int64_t nanoseconds = x.since_start.count();
  v("ns", nanoseconds);
  assign_changed(x, Instant{Duration(nanoseconds)});
}

template <class V, class T>
void set_field(V& v, std::string_view name, std::set<T>& x) {
  std::vector<T> list(x.begin(), x.end());
  v(name, list);
  assign_changed(x, std::set<T>(list.begin(), list.end()));
}

constexpr auto enum_names(DrillPhase) {
  using P = DrillPhase;
  return std::array{EnumName<P>{P::none, "none"}, EnumName<P>{P::reading, "reading"},
                    EnumName<P>{P::powering_off, "powering_off"},
                    EnumName<P>{P::falling_silent, "falling_silent"},
                    EnumName<P>{P::powering_on, "powering_on"}};
}

template <class V>
void fields(V& v, StorageWord& x) {
  v("server", x.server);
  v("at", x.at);
}
template <class V>
void fields(V& v, HostLive& x) {
  v("session", x.session);
  v("session_since", x.session_since);
  v("last_heard", x.last_heard);
  v("seen_by", x.seen_by);
  v("sighting_at", x.sighting_at);
  v("guard", x.guard);
  v("faults", x.faults);
  v.optional("storage", x.storage);
  v("power_off_attempts", x.power_off_attempts);
  v.optional("power_action", x.power_action);
  v.optional("power_retry_at", x.power_retry_at);
  v.optional("power_withheld", x.power_withheld);
  v.optional("lapse_at", x.lapse_at);
  v("lapse_ms", x.lapse);
  v.optional("revoke_action", x.revoke_action);
  v.optional("revoke_retry_at", x.revoke_retry_at);
  v.optional("fenced_boot", x.fenced_boot);
  v.optional("attested_until", x.attested_until);
  v.optional("lease_armed", x.lease_armed);
  v.optional("lease_spared", x.lease_spared);
  v("bmc_ok", x.bmc_ok);
  v.optional("bmc_doubted", x.bmc_doubted);
  v("bmc_problem", x.bmc_problem);
  v.optional("bmc_power_on", x.bmc_power_on);
  v("bmc_read_at", x.bmc_read_at);
  v.optional("next_check", x.next_check);
  v("drill", x.drill);
  v.optional("drill_request", x.drill_request);
  v("drill_guid", x.drill_guid);
  v.optional("drill_boot", x.drill_boot);
  v.optional("drill_deadline", x.drill_deadline);
  v.optional("drill_off", x.drill_off);
  v("off_by_operator", x.off_by_operator);
  v.optional("deadline", x.deadline);
}
template <class V>
void fields(V& v, Host& x) {
  v("record", x.record);
  v("live", x.live);
}

template <class V>
void fields(V& v, VolumeChangeAsked& x) {
  v("request", x.request);
  v("change", x.change);
}
template <class V>
void fields(V& v, VmLive& x) {
  v("seen", x.seen);
  v.optional("action", x.action);
  v.optional("action_deadline", x.action_deadline);
  v.optional("request", x.request);
  v.optional("again", x.again);
  v("restarts", x.restarts);
  v("avoid", x.avoid);
  v.optional("refused_for_now", x.refused_for_now);
  v.optional("wait_told", x.wait_told);
  v.optional("deadline", x.deadline);
  v("volumes", x.volumes);
  v.optional("behind_since", x.behind_since);
  v("behind_told", x.behind_told);
  v.optional("change", x.change);
}
template <class V>
void fields(V& v, Vm& x) {
  v("record", x.record);
  v("live", x.live);
}

template <class V>
void fields(V& v, IncidentLive& x) {
  v("opened", x.opened);
  set_field(v, "pending", x.pending);
  v("announced", x.announced);
  v.optional("digest_at", x.digest_at);
}

constexpr auto enum_names(CommandKind) {
  using K = CommandKind;
  return std::array{EnumName<K>{K::start, "start"},   EnumName<K>{K::stop, "stop"},
                    EnumName<K>{K::forbid, "forbid"}, EnumName<K>{K::forget, "forget"},
                    EnumName<K>{K::follow, "follow"}, EnumName<K>{K::change, "change"},
                    EnumName<K>{K::power, "power"}};
}
template <class V>
void fields(V& v, PendingAction& x) {
  v("kind", x.kind);
  v("vm", x.vm);
  v("to", x.to);
  v("generation", x.generation);
  v.optional("request", x.request);
}

template <class V>
void fields(V& v, Site& x) {
  v("id", x.id);
  v("primary", x.primary);
}

// An entry of State::to_recover.
struct RecoveryPlace {
  int priority = 0;
  std::string name;
  VmId vm;
};
template <class V>
void fields(V& v, RecoveryPlace& x) {
  v("priority", x.priority);
  v("name", x.name);
  v("vm", x.vm);
}
template <class V>
void recovery_field(V& v, std::set<std::tuple<int, std::string, VmId>>& x) {
  std::vector<RecoveryPlace> list;
  for (const auto& [priority, name, vm] : x) list.push_back({priority, name, vm});
  v("to_recover", list);
  std::set<std::tuple<int, std::string, VmId>> queue;
  for (const RecoveryPlace& place : list) queue.insert({place.priority, place.name, place.vm});
  assign_changed(x, std::move(queue));
}

template <class V>
void fields(V& v, AccessWatch& x) {
  v("since", x.since);
  v("count", x.count);
  set_field(v, "subjects", x.subjects);
  v.optional("told", x.told);
  v.optional("noticed", x.noticed);
}

template <class V>
void fields(V& v, State& x) {
  v("cluster", x.cluster);
  v("manager", x.manager);
  v("sites", x.sites);
  v("hosts", x.hosts);
  v("vms", x.vms);
  v("incidents", x.incidents);
  v("plans", x.plans);
  v("directory", x.directory);
  v("access_ends", x.access_ends);
  v.optional("access_watches", x.access_watches);
  v.optional("access_refused", x.access_refused);
  v.optional("access_stored", x.access_stored);
  v("channels", x.channels);
  v.optional("ending", x.ending);
  v("fences", x.fences);
  v.optional("kept", x.kept);
  v("started", x.started);
  v("last_step", x.last_step);
  v("pending", x.pending);
  v("incident_live", x.incident_live);
  v("plan_expiry", x.plan_expiry);
  v("next_action", x.next_action);
  v("next_tick", x.next_tick);
  v("resumed", x.resumed);
  v("isolated", x.isolated);
  recovery_field(v, x.to_recover);
  set_field(v, "unplaced", x.unplaced);
}

}  // namespace bascule
