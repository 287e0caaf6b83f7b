#include "tests/sim/faults.h"

namespace bascule::sim {
namespace {
constexpr Duration kQuietStart = 120s;  // hosts join, are drilled and get their VMs
}

void Faults::plan() {
  const Options& options = world_.options();
  if (options.noise) {
    for (Duration at = kQuietStart; at < options.length; at += world_.random().between(5s, 60s))
      world_.after(at, [this] { noise(); });
    return;
  }
  const auto count = static_cast<std::uint64_t>(options.faults) + world_.random().below(8);
  for (std::uint64_t i = 0; i < count; ++i)
    world_.after(world_.random().between(kQuietStart, options.length), [this] { strike(); });
}

// A blow that hits nothing (a crash of a host that is down) is no fault: another one is drawn.
void Faults::strike() {
  for (int draws = 0; draws < 50; ++draws)
    if (hits()) {
      struck_ += 1;
      break;
    }
  noise();
}

bool Faults::hits() {
  Host& host = any_host();
  switch (world_.random().below(14)) {
    case 0:
    case 1:
    case 2:
      return lose_host(host);
    case 3:
      return disturb_bmc(host.id());
    case 4:
      return cut_for("host:" + host.id().value, a_while());
    case 5:
      return cut_for("sites", a_while());
    case 6:
      return cut_for("witness:" + host.site().value, a_while());
    case 7:
      return lose_site(host.site());
    case 8:
    case 9:
      return disturb_manager();
    case 10:
      if (!host.awake() || host.guests().empty()) return false;
      world_.trace("a guest crashes on " + host.id().value);
      host.crash_guest(host.guests().begin()->first);
      return true;
    case 11:
      return host.restart_agent();
    case 12:
      return flap("host:" + host.id().value);
    default:
      if (!host.alive()) return false;
      world_.trace("the clock of " + host.id().value + " drifts");
      host.set_clock_rate(world_.random().chance(50) ? 0.97 : 1.03);
      world_.after(a_while(), [&host] { host.set_clock_rate(1.0); });
      return true;
  }
}

// What must never lead to a fence or a move.
void Faults::noise() {
  Host& host = any_host();
  const Duration stall = world_.random().chance(50) ? 2s : world_.random().between(100ms, 2s);
  switch (world_.random().below(4)) {
    case 0:
      cut_for("host:" + host.id().value, stall);
      return;
    case 1:
      return host.stall_hypervisor(5s);
    case 2:
      world_.stall_store(true);
      world_.after(3s, [this] { world_.stall_store(false); });
      return;
    default:
      cut_for(world_.random().chance(50) ? "sites" : "witness:" + host.site().value, stall);
  }
}

bool Faults::lose_host(Host& host) {
  if (!host.awake()) return false;
  if (world_.random().chance(40)) {
    world_.trace(host.id().value + " freezes");
    host.freeze();
    world_.after(a_while(), [&host] { host.thaw(); });
    return true;
  }
  world_.trace(host.id().value + " crashes");
  host.die();
  // Some come back by themselves (a power button, a kernel's panic timeout), others wait for the repair.
  if (world_.random().chance(60)) world_.after(a_while(), [&host] { host.boot(); });
  return true;
}

bool Faults::disturb_bmc(const HostId& id) {
  Bmc& bmc = world_.bmc(id);
  if (bmc.mode != BmcMode::ok) return false;
  switch (world_.random().below(4)) {
    case 0:
      bmc.mode = BmcMode::dead;
      break;
    case 1:
      bmc.mode = BmcMode::slow;
      break;
    case 2:
      bmc.mode = BmcMode::stuck;
      break;
    default: {
      // Two machines' cables are swapped: each BMC, with its own GUID, now ends the other host.
      Bmc& other = world_.bmc(any_host().id());
      if (&other == &bmc) return false;
      std::swap(bmc.guid, other.guid);
      std::swap(bmc.controls, other.controls);
    }
  }
  world_.trace("the BMC of " + id.value + " is disturbed");
  if (world_.random().chance(50)) lose_host(world_.host(id));
  return true;
}

// A link that comes back once before it is gone for longer.
bool Faults::flap(const std::string& link) {
  if (!cut_for(link, world_.random().between(1s, 3s))) return false;
  world_.after(world_.random().between(4s, 16s), [this, link] { cut_for(link, a_while()); });
  return true;
}

bool Faults::cut_for(const std::string& link, Duration how_long) {
  if (world_.is_cut(link)) return false;
  world_.trace("cut " + link);
  world_.cut(link);
  world_.after(how_long, [this, link] { world_.join(link); });
  return true;
}

bool Faults::lose_site(const SiteId& site) {
  bool any = false;
  for (const HostId& id : world_.host_ids())
    any = any || (world_.host(id).site() == site && world_.host(id).alive());
  if (!any) return false;
  const bool dark = world_.random().chance(50);
  world_.trace("site " + site.value + (dark ? " goes dark" : " loses power, its BMCs answer"));
  for (const HostId& id : world_.host_ids()) {
    Host& host = world_.host(id);
    if (host.site() != site) continue;
    host.die();
    if (dark) world_.bmc(id).mode = BmcMode::dead;
    world_.after(world_.random().between(60s, 600s), [this, id, &host] {
      world_.bmc(id).mode = BmcMode::ok;
      host.boot();
    });
  }
  return true;
}

bool Faults::disturb_manager() {
  if (world_.manager() == nullptr) return false;
  const bool freezes = world_.random().chance(30);
  if (freezes)
    world_.freeze_manager();
  else
    world_.kill_manager();
  const Duration vacant = world_.random().between(1s, 60s);
  world_.after(vacant, [this] { world_.start_manager(); });
  if (freezes) world_.after(vacant + world_.random().between(0s, 60s), [this] { world_.thaw_manager(); });
  return true;
}

void Faults::repair() {
  for (const char* link : {"sites", "witness:paris", "witness:lyon"}) world_.join(link);
  for (const HostId& id : world_.host_ids()) {
    world_.join("host:" + id.value);
    world_.bmc(id) = Bmc{BmcMode::ok, "guid-" + id.value, id};
    Host& host = world_.host(id);
    host.set_clock_rate(1.0);
    host.thaw();
    host.boot();
  }
  world_.stall_store(false);
  world_.start_manager();
}

}  // namespace bascule::sim
