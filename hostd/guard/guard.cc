#include "hostd/guard/guard.h"

#include <algorithm>

#include "base/log.h"
#include "hostd/guard/lease_file.h"

namespace bascule::guard {
namespace {

constexpr Duration kShortestInterval = 200ms;
constexpr Duration kFirstInterval = 1s;   // until a grant tells the TTL
constexpr Duration kLongestRequest = 1s;  // to one manager among several
constexpr Duration kRetryStop = 20ms;

Duration interval_of(Duration ttl) {
  if (ttl == Duration::zero()) return kFirstInterval;
  return std::clamp<Duration>(ttl / 10, kShortestInterval, 10s);
}

// Where nobody else can be asked: what is under way is answered as soon as the manager or the link goes on,
// and counts from when it was sent; a new connection would take longer.
Duration patience_of(Duration ttl, std::size_t managers) {
  if (ttl == Duration::zero() || managers > 1) return std::min(interval_of(ttl), kLongestRequest);
  return std::clamp<Duration>(ttl * 3 / 10, interval_of(ttl), 10s);
}

bool same_but_for_time(const wire::LeaseFile& a, const wire::LeaseFile& b) {
  return a.held == b.held && a.mode == b.mode && a.stop_at == b.stop_at && a.stops == b.stops &&
         a.watchdog_armed == b.watchdog_armed && a.problem == b.problem && a.epoch == b.epoch &&
         a.term == b.term;
}

void log_change(const wire::LeaseFile& before, const wire::LeaseFile& after) {
  if (before.held != after.held)
    log(after.held ? LogLevel::info : LogLevel::warning, "guard", after.held ? "lease_held" : "lease_lost",
        {{"mode", name_of(after.mode)}, {"term", after.term}, {"problem", after.problem}});
  else if (before.problem != after.problem)
    log(after.problem.empty() ? LogLevel::info : LogLevel::warning, "guard", "problem",
        {{"problem", after.problem}});
  if (before.stops != after.stops) log(LogLevel::error, "guard", "guests_stopped", {{"stops", after.stops}});
  if (before.watchdog_armed != after.watchdog_armed)
    log(LogLevel::info, "guard", "watchdog", {{"armed", after.watchdog_armed}});
}

}  // namespace

Guard::Guard(Lease lease, Watchdog& watchdog, std::string lease_path, std::size_t managers, GuardHands hands)
    : watchdog_(watchdog),
      lease_path_(std::move(lease_path)),
      managers_(managers),
      hands_(std::move(hands)),
      lease_(std::move(lease)),
      last_tick_(hands_.clocks()) {}

Duration Guard::tick() {
  const HostClocks now = hands_.clocks();
  std::unique_lock lock(lease_mutex_);
  last_tick_ = now;
  lease_.advance(now);
  const bool stop_due = lease_.stop_due();
  const LeaseMode mode = lease_.mode();
  const Duration budget = lease_.kill_budget();
  const Duration left = lease_.held() ? lease_.time_left(now) : kLongestTick;
  lock.unlock();

  if (stop_due && !stop_guests(budget)) return kRetryStop;
  tend_watchdog(mode, now);
  return std::min(left, kLongestTick);
}

// False: guests live on, so the watchdog goes unpetted and bites.
bool Guard::stop_guests(Duration budget) {
  const KillReport report = hands_.kill_guests(budget);
  {
    const std::lock_guard lock(lease_mutex_);
    lease_.stopped(report.killed, report.all_gone);
    if (!report.all_gone)
      lease_.set_problem(std::to_string(report.alive) +
                         " protected guests outlive SIGKILL; the watchdog is no longer petted");
  }
  if (!report.all_gone && hands_.reset_machine) hands_.reset_machine();
  return report.all_gone;
}

void Guard::tend_watchdog(LeaseMode mode, HostClocks now) {
  std::string problem;
  if (mode == LeaseMode::keep) {
    if (watchdog_.armed()) watchdog_.disarm();
  } else if (watchdog_.armed()) {
    if (!watchdog_.pet()) problem = "the watchdog refuses to be petted";
  } else if (now.boot >= next_arm_) {
    next_arm_ = now.boot + 1s;
    if (const Status armed = watchdog_.arm(); !armed) problem = armed.error().message;
  } else {
    return;  // the last attempt's problem stands
  }
  const std::lock_guard lock(lease_mutex_);
  lease_.set_watchdog(watchdog_.armed(), watchdog_.timeout(), std::move(problem));
}

Duration Guard::renew() {
  const bool recorded = publish();
  std::unique_lock lock(lease_mutex_);
  const HostClocks sent = hands_.clocks();
  const Duration patience = patience_of(lease_.ttl(), managers_);
  const wire::LeaseRequest request = lease_.next_request(sent, recorded);
  lock.unlock();

  const Result<wire::LeaseReply> reply = hands_.ask(manager_, request, patience);

  lock.lock();
  const HostClocks now = hands_.clocks();
  if (reply) {
    lease_.accept(*reply, now);
  } else {
    lease_.advance(now);
    if (lease_.held() || !lease_.stop_due()) lease_.set_problem(reply.error().message);
  }
  const bool renewed = reply && reply->verdict == wire::LeaseVerdict::granted;
  if (!renewed) manager_ = (manager_ + 1) % managers_;
  const Duration pause = renewed ? interval_of(lease_.ttl()) : kShortestInterval;
  return std::max(sent.boot + pause - now.boot, renewed ? Duration::zero() : kShortestInterval);
}

bool Guard::publish() {
  const std::lock_guard one_writer(publish_mutex_);
  wire::LeaseFile file;
  {
    const std::lock_guard lock(lease_mutex_);
    file = lease_.file(last_tick_);
  }
  const bool same = published_once_ && same_but_for_time(file, published_);
  if (same && file.written < published_.written + 1s) return true;
  if (const Status written = write_lease_file(lease_path_, file); !written) {
    if (publishing_works_)
      log(LogLevel::error, "guard", "not_published", {{"problem", written.error().message}});
    publishing_works_ = published_once_ = false;
    return false;
  }
  publishing_works_ = true;
  log_change(published_, file);
  published_ = std::move(file);
  published_once_ = true;
  return true;
}

void Guard::renew_until_stopped() {
  while (sleep(renew())) {
  }
}

void Guard::publish_until_stopped() {
  do publish();
  while (sleep(kLongestTick));
}

bool Guard::sleep(Duration time) {
  std::unique_lock lock(stop_mutex_);
  return !stop_requested_.wait_for(lock, time, [this] { return stopping_; });
}

void Guard::stop() {
  const std::lock_guard lock(stop_mutex_);
  stopping_ = true;
  stop_requested_.notify_all();
}

void Guard::leave() {
  if (!watchdog_.armed()) return;
  {
    const std::lock_guard lock(lease_mutex_);
    lease_.set_watchdog(false, watchdog_.timeout(), "guard is leaving");
  }
  // First the word that keeps hostd from starting a guest, then the look for guests.
  const bool told = publish();
  const GuestSearch search = hands_.find_guests();
  if (told && search.readable && search.guests.empty()) watchdog_.disarm();
}

}  // namespace bascule::guard
