#include "hostd/guard/lease.h"

#include <algorithm>

namespace bascule::guard {
namespace {

// Requests are at least 200 ms apart, so milliseconds since boot outrun any count of a predecessor: the
// sequence grows over restarts of guard without being stored.
std::uint64_t sequence_of(Duration boot_clock) {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(boot_clock).count());
}

bool is_sound(const wire::LeaseReply& reply) {
  if (reply.ttl <= Duration::zero() || reply.ttl > kLongestTtl || reply.kill_budget < Duration::zero())
    return false;
  if (reply.mode == LeaseMode::keep) return true;
  return reply.stop_after > Duration::zero() && reply.stop_after <= reply.ttl - reply.kill_budget;
}

}  // namespace

Lease::Lease(ClusterId cluster, HostId host, BootId boot_id)
    : cluster_(std::move(cluster)), host_(std::move(host)), boot_id_(std::move(boot_id)) {}

void Lease::adopt(const wire::LeaseFile& record, HostClocks now) {
  if (record.boot_id != boot_id_) return;
  mode_ = record.mode;
  epoch_ = record.epoch;
  term_ = record.term;
  stops_ = record.stops;
  valid_ = record.held;
  deadline_ = now + (record.stop_at - now.boot);
  problem_ = record.problem;
  advance(now);
}

wire::LeaseRequest Lease::next_request(HostClocks now, bool recorded) {
  last_sequence_ = std::max(last_sequence_ + 1, sequence_of(now.boot));
  unanswered_ = Sent{last_sequence_, now};
  wire::LeaseRequest request;
  request.cluster = cluster_;
  request.host = host_;
  request.boot_id = boot_id_;
  request.sequence = last_sequence_;
  if (recorded) {
    request.echo_sequence = granted_sequence_;
    request.echo_mode = mode_;
  }
  request.watchdog_armed = watchdog_armed_;
  request.watchdog_timeout = watchdog_timeout_;
  request.raw_clock = now.raw;
  request.boot_clock = now.boot;
  return request;
}

void Lease::advance(HostClocks now) {
  if (valid_ && passed(now)) lose("the lease ran out: no manager renewed it");
}

void Lease::accept(const wire::LeaseReply& reply, HostClocks now) {
  advance(now);  // first: a grant doesn't undo a lapse that nobody noticed while guard was frozen
  if (!unanswered_ || reply.sequence != unanswered_->sequence) return;
  const HostClocks sent = unanswered_->at;
  unanswered_.reset();
  switch (reply.verdict) {
    case wire::LeaseVerdict::granted:
      if (!outdated(reply)) grant(reply, sent, now);
      return;
    case wire::LeaseVerdict::withheld:
      return;
    case wire::LeaseVerdict::revoked:
      if (!outdated(reply)) lose("the manager revoked the lease: " + reply.reason);
      return;
    case wire::LeaseVerdict::not_leader:
      return set_problem("the manager that answered doesn't lead");
    case wire::LeaseVerdict::unknown_host:
      return set_problem("the manager doesn't know this host; add it to manager.toml");
  }
}

// Also remembers what is newer: epoch and term never go down.
bool Lease::outdated(const wire::LeaseReply& reply) {
  const bool same_number = reply.epoch.number == epoch_.number;
  if (same_number && !epoch_.id.empty() && reply.epoch.id != epoch_.id) {
    set_problem("two databases claim epoch " + std::to_string(epoch_.number.value) + "; one is a copy");
    return true;
  }
  if (reply.epoch.number < epoch_.number || (same_number && reply.term < term_)) {
    set_problem("a manager of an older epoch or term answered; it is not obeyed");
    return true;
  }
  epoch_ = reply.epoch;
  term_ = reply.term;
  return false;
}

void Lease::grant(const wire::LeaseReply& reply, HostClocks sent, HostClocks now) {
  if (!is_sound(reply))
    return set_problem("the manager sent a grant with impossible lengths; it is not used");
  const HostClocks deadline = sent + (reply.mode == LeaseMode::stop ? reply.stop_after : reply.ttl);
  if (now.raw >= deadline.raw || now.boot >= deadline.boot)
    return set_problem("the manager's grant came too late to extend the lease");
  deadline_ = deadline;
  mode_ = reply.mode;
  ttl_ = reply.ttl;
  kill_budget_ = reply.kill_budget;
  granted_sequence_ = reply.sequence;
  valid_ = true;
  problem_.clear();
}

void Lease::lose(std::string why) {
  if (mode_ == LeaseMode::stop && valid_) stop_owed_ = true;
  valid_ = false;
  problem_ = std::move(why);
}

void Lease::stopped(std::size_t killed, bool all_gone) {
  if (killed > 0) ++stops_;
  if (all_gone) stop_owed_ = false;
}

void Lease::set_watchdog(bool armed, Duration timeout, std::string problem) {
  watchdog_armed_ = armed;
  watchdog_timeout_ = timeout;
  watchdog_problem_ = std::move(problem);
}

Duration Lease::time_left(HostClocks now) const {
  if (!valid_ || passed(now)) return Duration::zero();
  return std::min(deadline_.raw - now.raw, deadline_.boot - now.boot);
}

wire::LeaseFile Lease::file(HostClocks now) const {
  wire::LeaseFile file;
  file.boot_id = boot_id_;
  file.epoch = epoch_;
  file.term = term_;
  file.held = held();
  file.mode = mode_;
  file.stop_at = deadline_.boot;
  file.stops = stops_;
  file.watchdog_armed = watchdog_armed_;
  file.written = now.boot;
  file.problem = problem_;
  if (!watchdog_problem_.empty()) file.problem += (problem_.empty() ? "" : "; ") + watchdog_problem_;
  return file;
}

}  // namespace bascule::guard
