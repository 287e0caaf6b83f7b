#include <algorithm>

#include "base/ensure.h"
#include "cluster/lease_plane.h"

namespace bascule {
namespace {

constexpr Duration kWindow = 10s;
constexpr int kWindowSamples = 3;
constexpr Duration kSteadySlack = 50ms;  // between the fastest requests of two windows
constexpr Duration kSingleSlack = 2s;    // of one request, whose delay may be anything up to its bound

}  // namespace

LeaseSettings lease_settings(const Policy& policy, const Leadership& leadership) {
  LeaseSettings settings;
  settings.leadership = leadership;
  settings.mode = policy.on_lease_loss;
  settings.ttl = policy.lease_ttl;
  settings.kill_budget = policy.kill_budget;
  settings.watchdog_timeout = policy.watchdog_timeout;
  return settings;
}

bool RateCheck::agree(const Sample& before, const Sample& after, Duration slack) {
  const Duration drift = after.lag - before.lag;
  const Duration bound = (after.at - before.at) / 100 + slack;
  return drift <= bound && drift >= -bound;
}

void RateCheck::begin(Instant now, Duration raw_clock, Duration boot_clock) {
  begun_ = true;
  origin_ = window_began_ = now;
  raw_origin_ = raw_clock;
  boot_origin_ = boot_clock;
  window_count_ = 0;
  first_.reset();
  previous_.reset();
}

bool RateCheck::observe(Instant now, Duration raw_clock, Duration boot_clock) {
  if (!begun_) begin(now, raw_clock, boot_clock);
  // As on the host: the greater of its two clocks counts.
  const Duration host = std::max(raw_clock - raw_origin_, boot_clock - boot_origin_);
  const Sample sample{now, (now - origin_) - host};
  const std::optional<Sample> reference = previous_ ? previous_ : std::optional<Sample>(Sample{origin_, {}});
  if (!agree(*reference, sample, kSingleSlack)) {
    ok_ = false;
    begin(now, raw_clock, boot_clock);
    return false;
  }
  if (window_count_++ == 0 || sample.lag < window_best_.lag) window_best_ = sample;
  if (now - window_began_ >= kWindow && window_count_ >= kWindowSamples) close_window(now);
  return ok_;
}

void RateCheck::close_window(Instant now) {
  const bool agreed = !previous_ || (agree(*previous_, window_best_, kSteadySlack) &&
                                     agree(*first_, window_best_, kSteadySlack));
  if (previous_) ok_ = agreed;
  if (!first_ || !agreed) first_ = window_best_;
  previous_ = window_best_;
  window_began_ = now;
  window_count_ = 0;
}

GrantTable::GrantTable(LeaseSettings settings) : settings_(std::move(settings)), ttl_(settings_.ttl) {
  ensure(ttl_ > settings_.kill_budget, "a lease lasts longer than the kill budget within it");
}

void GrantTable::admit(const HostId& host) {
  const std::lock_guard lock(mutex_);
  hosts_.insert(host);
}

void GrantTable::dismiss(const HostId& host) {
  const std::lock_guard lock(mutex_);
  hosts_.erase(host);
}

void GrantTable::lead_until(Instant until) {
  const std::lock_guard lock(mutex_);
  leading_until_ = until;
}

wire::LeaseReply GrantTable::answer(const wire::LeaseRequest& request, std::string_view peer, Instant now) {
  const std::lock_guard lock(mutex_);
  wire::LeaseReply reply;
  reply.epoch = settings_.leadership.epoch;
  reply.term = settings_.leadership.term;
  reply.sequence = request.sequence;
  reply.mode = settings_.mode;
  reply.kill_budget = settings_.kill_budget;
  reply.reason = refusal(request, peer);
  if (!reply.reason.empty()) {
    reply.verdict = wire::LeaseVerdict::unknown_host;
    return reply;
  }
  reply.verdict = wire::LeaseVerdict::not_leader;
  if (leading_until_ && now >= *leading_until_) return reply;
  Boot& boot = boot_of({request.host, request.boot_id});
  if (request.sequence <= boot.last_sequence) {
    reply.reason = "a later request of this boot was answered already";
    return reply;
  }
  note(boot, request, now);
  if (boot.standing == Standing::withheld) {
    reply.verdict = wire::LeaseVerdict::withheld;
    reply.reason = "the host is silent; its request is told";
    return reply;
  }
  if (boot.standing == Standing::revoked) {
    reply.verdict = wire::LeaseVerdict::revoked;
    reply.reason = "this boot of the host was declared lost";
    return reply;
  }
  reply.verdict = wire::LeaseVerdict::granted;
  reply.ttl = ttl_;
  reply.stop_after = ttl_ - settings_.kill_budget;
  if (boot.first_grant == 0) boot.first_grant = request.sequence;
  boot.last_grant = request.sequence;
  boot.granted_until = std::max(boot.granted_until, now + ttl_);
  boot.last_renewal = now;
  return reply;
}

std::string GrantTable::refusal(const wire::LeaseRequest& request, std::string_view peer) const {
  if (request.protocol != wire::kProtocol)
    return "this manager speaks protocol " + std::to_string(wire::kProtocol);
  if (request.cluster != settings_.leadership.cluster)
    return "this manager is of cluster " + settings_.leadership.cluster.value;
  if (request.host.value != peer) return "the certificate is that of " + std::string(peer);
  if (!hosts_.contains(request.host)) return "the host is not in the inventory";
  if (!is_valid_name(request.boot_id.value)) return "the boot id is not one";
  return "";
}

// Makes room by forgetting the oldest boots of the host that aren't revoked: a host lives one boot at a time.
GrantTable::Boot& GrantTable::boot_of(const Copy& copy) {
  const auto found = boots_.find(copy);
  if (found != boots_.end()) return found->second;
  std::vector<std::map<Copy, Boot>::iterator> others;
  for (auto it = boots_.lower_bound({copy.host, BootId()}); it != boots_.end() && it->first.host == copy.host;
       ++it)
    if (it->second.standing == Standing::granted) others.push_back(it);
  if (others.size() >= kMostBoots)
    boots_.erase(*std::min_element(others.begin(), others.end(), [](const auto& a, const auto& b) {
      return a->second.last_renewal < b->second.last_renewal;
    }));
  return boots_[copy];
}

void GrantTable::note(Boot& boot, const wire::LeaseRequest& request, Instant now) {
  boot.last_sequence = request.sequence;
  boot.rate.observe(now, request.raw_clock, request.boot_clock);
  // A predecessor's grant says nothing: another one of it, in mode keep, may have followed the one that is
  // echoed.
  const bool ours = boot.first_grant != 0 && request.echo_sequence >= boot.first_grant &&
                    request.echo_sequence <= boot.last_grant;
  boot.echo = ours ? request.echo_sequence : 0;
  boot.echoed_mode = ours ? request.echo_mode : LeaseMode::keep;
  boot.watchdog_armed = request.watchdog_armed;
  boot.watchdog_timeout = request.watchdog_timeout;
}

std::string GrantTable::problem_of(const Boot& boot) const {
  if (boot.echo == 0) return "no grant of this manager was echoed yet";
  if (boot.echoed_mode != LeaseMode::stop) return "guard is in mode keep";
  if (!boot.watchdog_armed) return "the watchdog is not armed";
  if (boot.watchdog_timeout <= Duration::zero() || boot.watchdog_timeout > settings_.watchdog_timeout)
    return "the watchdog's timeout is longer than the policy's";
  if (!boot.rate.ok()) return "the host's clocks run more than 1 % off";
  return "";
}

LeaseRevoked GrantTable::revoke(const RevokeLease& order, Instant now) {
  const std::lock_guard lock(mutex_);
  Boot& boot = boot_of(order.copy);
  LeaseRevoked revoked;
  revoked.action = order.action;
  revoked.copy = order.copy;
  // The commit took long, and meanwhile it was heard.
  if (!order.declared_lost && boot.last_renewal && *boot.last_renewal > order.decided) return revoked;
  boot.standing = order.declared_lost ? Standing::revoked : Standing::withheld;
  revoked.armed = is_armed(boot);
  revoked.echoed_sequence = boot.echo;
  const Duration left = boot.last_renewal ? boot.granted_until - now : Duration::zero();
  // Whole milliseconds, as an event is recorded; never a shorter wait.
  revoked.lapse =
      std::chrono::ceil<std::chrono::milliseconds>(settings_.lapse_of(std::max(left, settings_.ttl)));
  return revoked;
}

void GrantTable::allow(const Copy& copy) {
  const std::lock_guard lock(mutex_);
  const auto found = boots_.find(copy);
  if (found != boots_.end()) found->second.standing = Standing::granted;
}

bool GrantTable::armed(const Copy& copy) const {
  const std::lock_guard lock(mutex_);
  const auto found = boots_.find(copy);
  return found != boots_.end() && is_armed(found->second);
}

void GrantTable::set_ttl(Duration ttl) {
  const std::lock_guard lock(mutex_);
  ensure(ttl > settings_.kill_budget, "a lease lasts longer than the kill budget within it");
  ttl_ = ttl;
}

bool GrantTable::all_hold(Duration length, Duration recent, Instant now) const {
  const std::lock_guard lock(mutex_);
  return std::all_of(boots_.begin(), boots_.end(), [&](const auto& entry) {
    const Boot& boot = entry.second;
    return boot.standing != Standing::granted || !boot.renewed_within(recent, now) ||
           boot.granted_until > now + length;
  });
}

bool GrantTable::withholds(Duration recent, Instant now) const {
  const std::lock_guard lock(mutex_);
  return std::any_of(boots_.begin(), boots_.end(), [&](const auto& entry) {
    const Boot& boot = entry.second;
    return boot.standing == Standing::withheld && (!boot.last_renewal || boot.renewed_within(recent, now));
  });
}

std::vector<LeaseView> GrantTable::views() const {
  const std::lock_guard lock(mutex_);
  std::vector<LeaseView> views;
  for (const auto& [copy, boot] : boots_)
    views.push_back({copy, is_armed(boot), boot.standing != Standing::granted, boot.echoed_mode,
                     boot.last_renewal, boot.granted_until,
                     settings_.mode == LeaseMode::stop ? problem_of(boot) : ""});
  return views;
}

}  // namespace bascule
