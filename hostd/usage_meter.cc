#include "hostd/usage_meter.h"

#include <utility>

#include "hostd/host_usage.h"

namespace bascule::hostd {
namespace {

wire::Counters counters_of(const GuestUse& use) {
  wire::Counters counters;
  counters.cpu = use.cpu;
  counters.memory = use.memory;
  counters.received = use.received;
  counters.sent = use.sent;
  for (const DiskUse& disk : use.disks) {
    counters.reads += disk.reads;
    counters.writes += disk.writes;
    counters.read += disk.read;
    counters.written += disk.written;
  }
  return counters;
}

}  // namespace

void UsageMeter::look() {
  wire::Usage usage;
  if (hypervisor_.connected())
    for (const auto& [vm, use] :
         hypervisor_.usage(Hypervisor::Uses::all).value_or(std::map<VmId, GuestUse>()))
      usage.guests.push_back({vm, counters_of(use)});
  usage.host = host_usage("");
  usage.link = link_speed("");
  usage.clock = clock_.now().since_start;
  const std::lock_guard lock(mutex_);
  newest_ = std::move(usage);
}

std::optional<wire::Usage> UsageMeter::take() {
  const std::lock_guard lock(mutex_);
  return std::exchange(newest_, std::nullopt);
}

}  // namespace bascule::hostd
