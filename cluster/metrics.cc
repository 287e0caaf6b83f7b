#include "cluster/metrics.h"

#include <utility>

namespace bascule {
namespace {

constexpr Duration kLongestGap = 60s;  // between two looks that give a rate
constexpr std::int64_t ms(Duration duration) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
}
constexpr std::int64_t kStepTime = ms(Metrics::kStep);
constexpr std::int64_t kShown = Metrics::kSteps;

double rate_of(std::uint64_t before, std::uint64_t now, double seconds) {
  return static_cast<double>(now - before) / seconds;
}

// Nothing where a counter went back: it is another QEMU's, or another boot's.
std::optional<Rates> rates_of(const wire::Counters& before, const wire::Counters& now, double seconds) {
  const bool went_on = now.cpu >= before.cpu && now.reads >= before.reads && now.writes >= before.writes &&
                       now.read >= before.read && now.written >= before.written &&
                       now.received >= before.received && now.sent >= before.sent;
  if (!went_on) return std::nullopt;
  Rates rates;
  rates.cpus = std::chrono::duration<double>(now.cpu - before.cpu).count() / seconds;
  rates.memory = static_cast<double>(now.memory);
  rates.reads = rate_of(before.reads, now.reads, seconds);
  rates.writes = rate_of(before.writes, now.writes, seconds);
  rates.read = rate_of(before.read, now.read, seconds);
  rates.written = rate_of(before.written, now.written, seconds);
  rates.received = rate_of(before.received, now.received, seconds);
  rates.sent = rate_of(before.sent, now.sent, seconds);
  return rates;
}

std::array<double, 8> listed(const Rates& r) {
  return {r.cpus, r.memory, r.reads, r.writes, r.read, r.written, r.received, r.sent};
}
Rates unlisted(const std::array<float, 8>& means) {
  return {means[0], means[1], means[2], means[3], means[4], means[5], means[6], means[7]};
}

std::int64_t step_of(WallTime wall) { return wall.unix_ms / kStepTime; }

}  // namespace

wire::Usage own_guests(const State& state, const HostId& host, wire::Usage usage) {
  std::erase_if(usage.guests, [&](const wire::GuestCounters& guest) {
    const auto vm = state.vms.find(guest.vm);
    return vm == state.vms.end() || vm->second.record.placement.owner != host;
  });
  return usage;
}

void Metrics::note(const HostId& host, const wire::Usage& usage, WallTime wall) {
  const std::lock_guard lock(mutex_);
  note(hosts_[host], {host, usage.clock, usage.host}, wall);
  hosts_[host].link = usage.link;
  for (const wire::GuestCounters& guest : usage.guests)
    if (guests_.size() < kMost || guests_.contains(guest.vm))
      note(guests_[guest.vm], {host, usage.clock, guest.counters}, wall);
  forget_old(wall);
}

void Metrics::note(Subject& subject, Look look, WallTime wall) {
  const Look before = std::exchange(subject.last, std::move(look));
  subject.seen = wall;
  const Duration gap = subject.last.clock - before.clock;
  if (before.host != subject.last.host || gap <= 0s || gap > kLongestGap) return;
  const double seconds = std::chrono::duration<double>(gap).count();
  const std::optional<Rates> rates = rates_of(before.counters, subject.last.counters, seconds);
  if (!rates) return;
  subject.now = Measured{{wall.unix_ms - ms(gap)}, *rates};
  add(subject, *rates, seconds, wall);
}

// A look that began in the step before counts for the step that it ends in.
void Metrics::add(Subject& subject, const Rates& rates, double seconds, WallTime wall) {
  std::deque<Step>& steps = subject.steps;
  const std::int64_t number = step_of(wall);
  if (steps.empty() || steps.back().number < number) steps.push_back({number, 0, {}});
  while (steps.front().number <= number - kShown) steps.pop_front();
  Step& step = steps.back();
  const double all = step.seconds + seconds;
  const auto fresh = listed(rates);
  for (std::size_t i = 0; i < fresh.size(); ++i)
    step.means[i] = static_cast<float>((step.means[i] * step.seconds + fresh[i] * seconds) / all);
  step.seconds = all;
}

void Metrics::forget_old(WallTime wall) {
  if (wall.unix_ms - looked_.unix_ms < kStepTime) return;
  looked_ = wall;
  const auto is_old = [wall](const auto& entry) {
    return wall.unix_ms - entry.second.seen.unix_ms > kStepTime * kShown;
  };
  std::erase_if(guests_, is_old);
  std::erase_if(hosts_, is_old);
}

Metrics::Series Metrics::now_of(const Subject& subject, WallTime wall) {
  Series series;
  if (subject.now && wall.unix_ms - subject.seen.unix_ms <= ms(kLongestGap)) series.now = subject.now;
  series.link = subject.link;
  return series;
}

Metrics::Series Metrics::now_of_host(const HostId& host, WallTime wall) const {
  const std::lock_guard lock(mutex_);
  const auto found = hosts_.find(host);
  return found == hosts_.end() ? Series() : now_of(found->second, wall);
}

template <class Id>
Metrics::Series Metrics::series_of(const std::map<Id, Subject>& subjects, const Id& id, WallTime wall) const {
  const std::lock_guard lock(mutex_);
  const auto found = subjects.find(id);
  if (found == subjects.end()) return {};
  Series series = now_of(found->second, wall);
  const std::int64_t oldest = step_of(wall) - kShown;
  for (const Step& step : found->second.steps)
    if (step.number > oldest)
      series.steps.push_back({WallTime{step.number * kStepTime}, unlisted(step.means)});
  return series;
}

template Metrics::Series Metrics::series_of(const std::map<VmId, Subject>&, const VmId&, WallTime) const;
template Metrics::Series Metrics::series_of(const std::map<HostId, Subject>&, const HostId&, WallTime) const;

}  // namespace bascule
