#include "tests/sim/world.h"

#include <cstdio>

#include "base/json.h"
#include "cluster/keys.h"
#include "cluster/leadership.h"

namespace bascule::sim {
namespace {
constexpr Duration kLeastRetransmit = 200ms;     // TCP's, which doubles it with each loss
constexpr Duration kLongestUnacknowledged = 5s;  // as base/net sets it: then the connection is given up
}  // namespace

World::World(Options options)
    : options_(options),
      random_(options.seed),
      policy_(options.fast ? fast_profile() : Policy{}),
      store_(timeline_) {
  policy_.on_lease_loss = random_.chance(50) ? LeaseMode::stop : LeaseMode::keep;
  probe(policy_.on_lease_loss == LeaseMode::stop ? "run in mode stop" : "run in mode keep");
  for (const char* site : {"paris", "lyon"})
    for (int n = 1; n <= options_.hosts_per_site; ++n) {
      const HostId id(std::string(site) + "-" + std::to_string(n));
      host_ids_.push_back(id);
      hosts_[id] = std::make_unique<Host>(*this, id, SiteId(site));
      bmcs_[id] = Bmc{BmcMode::ok, "guid-" + id.value, id};
    }
  store_.inject([this](const Transaction&) {
    if (settled_ || options_.noise) return StoreFault::none;
    const std::uint64_t dice = random_.below(1000);
    if (dice >= 10) return StoreFault::none;
    probe(dice < 3 ? "store loses an answer" : dice < 6 ? "store loses a request" : "store refuses");
    if (dice < 3) return StoreFault::lost_answer;
    return dice < 6 ? StoreFault::lost_request : StoreFault::refused;
  });
}

World::~World() = default;

void World::trace(const std::string& words) {
  if (!options_.trace) return;
  std::printf("%10.3f  %s\n", std::chrono::duration<double>(now().since_start).count(), words.c_str());
}

void World::breach(const std::string& words) {
  trace("BREACH " + words);
  char when[32];
  std::snprintf(when, sizeof when, "%.3f s: ", std::chrono::duration<double>(now().since_start).count());
  breaches_.push_back(when + words);
}

// ---- Links ----

bool World::reaches_manager(const Host& host) const {
  return !cut_.contains("host:" + host.id().value) && !cut_.contains("witness:" + host.site().value);
}

bool World::reach_each_other(const Host& a, const Host& b) const {
  if (cut_.contains("host:" + a.id().value) || cut_.contains("host:" + b.id().value)) return false;
  return a.site() == b.site() || !cut_.contains("sites");
}

void World::dial(Host& host) {
  if (!manager_ || !manager_->leading() || !reaches_manager(host) || lost()) return;
  const std::uint64_t session = ++next_session_;
  sessions_[host.id()] = session;
  manager_->open_session(host.id(), session);
  host.connected(session);
}

void World::close_session(const HostId& id, std::uint64_t session, const std::string& why) {
  if (sessions_[id] == session) sessions_[id] = 0;
  host(id).disconnected(session);
  if (manager_) manager_->session_closed(id, session, why);
}

// ---- Time that passes ----

Duration World::lateness() {
  if (!options_.noise) return Duration{0};
  const std::uint64_t dice = random_.below(1000);
  if (dice < 3) return random_.between(100ms, 500ms);
  return dice < 50 ? random_.between(20ms, 100ms) : random_.between(0ms, 20ms);
}

// When to try again; nothing: this connection is given up.
template <class Message>
std::optional<Duration> World::retransmit(Stream<Message>& stream) {
  if (!stream.stuck_since) stream.stuck_since = now();
  const Duration left = *stream.stuck_since + kLongestUnacknowledged - now();
  if (left <= Duration{0}) return std::nullopt;
  probe("a lost message is sent again");
  stream.retransmit_after = std::max(stream.retransmit_after * 2, kLeastRetransmit);
  return std::min(stream.retransmit_after, left);
}

// As TCP does: what can't be delivered is tried again until one end gives up; it may come very late.
void World::to_manager(Host& host, std::uint64_t session, wire::FromHost message) {
  auto& stream = from_hosts_[host.id()];
  stream.waiting.push_back({session, host.boot_id(), std::move(message)});
  if (std::exchange(stream.moving, true)) return;
  after(latency(), [this, &host] { move_from_host(host); });
}

void World::move_from_host(Host& host) {
  auto& stream = from_hosts_[host.id()];
  while (!stream.waiting.empty()) {
    const auto& next = stream.waiting.front();
    const bool open = manager_ && sessions_[host.id()] == next.session;
    const bool delivers = reaches_manager(host) && !lost();
    if (open && host.alive() && host.boot_id() == next.boot && !delivers) {
      if (const auto pause = retransmit(stream))
        return after(*pause, [this, &host] { move_from_host(host); });
      close_session(host.id(), next.session, "nothing was acknowledged for 5 s");
      continue;
    }
    stream.retransmit_after = Duration{0};
    stream.stuck_since.reset();
    const auto sent = std::move(stream.waiting.front());
    stream.waiting.pop_front();
    if (open && reaches_manager(host)) manager_->hear(host.id(), sent.session, sent.message);
  }
  stream.moving = false;
}

void World::to_host(const HostId& id, std::uint64_t session, wire::FromManager message) {
  auto& stream = to_hosts_[id];
  stream.waiting.push_back({session, host(id).boot_id(), std::move(message)});
  if (std::exchange(stream.moving, true)) return;
  after(latency(), [this, id] { move_to_host(host(id)); });
}

void World::move_to_host(Host& host) {
  auto& stream = to_hosts_[host.id()];
  while (!stream.waiting.empty()) {
    const auto& next = stream.waiting.front();
    const bool open = host.alive() && host.boot_id() == next.boot && sessions_[host.id()] == next.session;
    const bool delivers = reaches_manager(host) && !lost();
    if (open && !(delivers && host.awake())) {
      if (const auto pause = retransmit(stream)) return after(*pause, [this, &host] { move_to_host(host); });
      close_session(host.id(), next.session, "nothing was acknowledged for 5 s");
      continue;
    }
    stream.retransmit_after = Duration{0};
    stream.stuck_since.reset();
    const auto sent = std::move(stream.waiting.front());
    stream.waiting.pop_front();
    if (open) host.receive(sent.message);
  }
  stream.moving = false;
}

void World::carry(Host& host, Instant until, Duration again, std::function<void()> arrives) {
  if (now() > until) return;
  if (reaches_manager(host) && !lost()) return after(latency(), std::move(arrives));
  after(again, [this, &host, until, again, arrives] { carry(host, until, again * 2, arrives); });
}

void World::ask_lease(Host& host, wire::LeaseRequest request) {
  const Instant until = now() + policy_.lease_ttl * 3 / 10;  // then guard gives up, and asks again
  carry(host, until, kLeastRetransmit, [this, &host, request, until] {
    if (!manager_ || !manager_->leading()) return;
    const wire::LeaseReply reply = manager_->answer(request);
    carry(host, until, kLeastRetransmit, [&host, reply, boot = request.boot_id] {
      if (host.boot_id() == boot && host.alive()) host.receive_lease(reply);
    });
  });
}

void World::probe_peers(Host& from) {
  for (auto& [id, peer] : hosts_) {
    const bool answers = !lost() && !lost();  // question and answer
    if (id != from.id() && peer->awake() && reach_each_other(from, *peer) && answers) from.peer_answered(id);
  }
}

// ---- BMCs ----

void World::power_off(const PowerOff& action) {
  fences_ += 1;
  const Bmc bmc = bmcs_.at(action.host);
  if (bmc.mode == BmcMode::dead) probe("power off: BMC dead");
  if (bmc.mode == BmcMode::slow) probe("power off: BMC slow");
  if (bmc.mode == BmcMode::stuck) probe("power off: BMC reads on");
  if (bmc.controls != action.host) probe("power off: BMC of another host");
  const auto tell = [this, action, bmc](Result<void> outcome) {
    if (manager_) manager_->post(PowerOffDone{action.action, action.host, std::move(outcome), bmc.guid, 1s});
  };
  trace("power off " + action.host.value);
  if (bmc.mode == BmcMode::dead) {
    after(5s, [tell] { tell(failure(ErrorCode::timeout, "the BMC doesn't answer")); });
    return;
  }
  const Duration delay = bmc.mode == BmcMode::slow ? random_.between(2s, 8s) : random_.between(100ms, 500ms);
  after(delay, [this, tell, bmc] {
    if (bmc.mode == BmcMode::stuck) return tell(failure(ErrorCode::conflict, "the BMC reads on after off"));
    host(bmc.controls).die();
    after(1100ms, [tell] { tell({}); });
  });
}

void World::power_on(const PowerOn& action) {
  const Bmc bmc = bmcs_.at(action.host);
  after(random_.between(200ms, 1s), [this, action, bmc] {
    const bool answers = bmc.mode != BmcMode::dead;
    Result<void> outcome;
    if (!answers) outcome = failure(ErrorCode::timeout, "the BMC doesn't answer");
    if (answers) after(random_.between(5s, 30s), [this, bmc] { host(bmc.controls).boot(); });
    if (manager_) manager_->post(PowerOnDone{action.action, action.host, outcome});
  });
}

void World::check_bmc(const CheckBmc& action) {
  const Bmc bmc = bmcs_.at(action.host);
  after(random_.between(50ms, 300ms), [this, action, bmc] {
    BmcChecked checked{action.host, {}, bmc.guid, true};
    if (bmc.mode == BmcMode::dead) checked.outcome = failure(ErrorCode::timeout, "the BMC doesn't answer");
    if (manager_) manager_->post(checked);
  });
}

void World::watchdog_bites(Host& host) {
  trace("the watchdog bites " + host.id().value);
  probe("watchdog bites");
  host.die();
  after(random_.between(10s, 60s), [&host] { host.boot(); });
}

// ---- The truth ----

void World::guest_started(Host& host, const VmId& vm, Generation generation) {
  trace(vm.value + " runs on " + host.id().value + " generation " + std::to_string(generation.value));
  const auto pairs = store_.read(keys::vm(vm));
  if (!pairs || pairs->pairs.empty()) return breach(vm.value + " was started without a stored record");
  const auto record = json::decode_text<VmRecord>(pairs->pairs.front().value, json::Unknown::tolerate);
  if (!record) return breach("a record doesn't decode: " + record.error().message);
  const auto& may_run = record->placement.may_run;
  if (std::find(may_run.begin(), may_run.end(), host.copy()) == may_run.end())
    breach(vm.value + " started on " + host.id().value + ", which is not in its stored may_run");
  const auto before = last_site_.find(vm);
  if (before != last_site_.end() && before->second != host.site()) {
    moves_ += 1;
    const bool home = host.site() == record->spec.home;
    if (home && !approved_.contains("vm/" + vm.value))
      breach(vm.value + " came home without an approved plan");
    if (!home) approved_.erase("vm/" + vm.value);
  }
  last_site_[vm] = host.site();
  truth_changed();
}

void World::truth_changed() {
  std::map<VmId, HostId> running;
  for (const auto& [id, host] : hosts_)
    for (const auto& [vm, guest] : host->guests()) {
      if (!guest.running) continue;
      const auto [other, first] = running.emplace(vm, id);
      if (!first) breach(vm.value + " runs twice: on " + other->second.value + " and on " + id.value);
    }
}

// ---- The manager ----

Duration World::commit_time() {
  if (store_stalled_) return 3s;
  return random_.between(1ms, 6ms);
}

void World::start_manager() {
  if (manager_) return;
  const auto inaugurated = take_leadership(store_, cluster(), policy_, random_);
  if (!inaugurated) {
    after(1s, [this] { start_manager(); });
    return;
  }
  const Term term = inaugurated->leadership.term;
  if (!(last_term_ < term)) breach("a manager leads in a term that was taken before");
  last_term_ = term;
  if (manager_lives_ > 0) probe("manager returns with a new term");
  Inventory inventory;
  inventory.sites = {{SiteId("paris"), true}, {SiteId("lyon"), false}};
  for (const char* name : {"alice", "bob"}) inventory.staff[OperatorId(name)] = {StaffRole::administrator};
  for (const HostId& id : host_ids_) inventory.hosts.push_back({id, host(id).site(), true});
  manager_lives_ += 1;
  trace("the manager begins, life " + std::to_string(manager_lives_));
  State state = begin(inaugurated->records, inventory, inaugurated->leadership.manager, now());
  manager_ = std::make_unique<ManagerProcess>(*this, Manager(std::move(state), policy_, *inaugurated));
}

void World::kill_manager() {
  if (!manager_) return;
  trace("the manager is killed");
  manager_.reset();
  part_from_manager();
}

void World::freeze_manager() {
  if (!manager_) return;
  trace("the manager freezes");
  for (const auto& [id, session] : sessions_) manager_->session_closed(id, session, "frozen");
  manager_->freeze();
  frozen_manager_ = std::move(manager_);
  part_from_manager();
}

void World::thaw_manager() {
  if (!frozen_manager_) return;
  trace("a frozen manager thaws");
  probe(manager_ ? "a deposed manager thaws" : "a frozen manager thaws, nobody leads");
  frozen_manager_->thaw();
}

Result<Revision> World::write(const Transaction& transaction) {
  const Result<Revision> outcome = store_.commit(transaction);
  if (outcome && transaction.expect_term < last_term_)
    breach("a manager of an older term wrote to the store");
  return outcome;
}

void World::part_from_manager() {
  for (auto& [id, session] : sessions_) {
    host(id).disconnected(session);
    session = 0;
  }
}

void World::answered(const Answer& answer) {
  if (answer.error) trace("refused " + answer.request.value + ": " + answer.error->message);
}

void World::decided(const AuditEntry& entry) {
  const AuditRecord& record = entry.record;
  trace("    " + record.what + " " + record.subject + ": " + std::string(name_of(record.reason)) + " " +
        record.words);
  probe("decision " + record.what + ": " + std::string(name_of(record.reason)));
  if (record.what == "start_vm" && record.reason == Reason::failback_approved)
    approved_.insert(record.subject);
}

void World::noticed(const Notify& notice) {
  const std::string kind(name_of(notice.kind));
  trace("notice " + kind);
  if (options_.noise) breach("noise led to the notice " + kind);
}

}  // namespace bascule::sim
