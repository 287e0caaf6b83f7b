#include "cluster/runner.h"

#include <condition_variable>
#include <functional>
#include <mutex>
#include <tuple>

#include "tests/unit/cluster/pump.h"

using namespace ::test;

namespace {

// A store whose commits can be held up, as by a disk that stalls.
class StallingStore final : public Store {
 public:
  explicit StallingStore(Store& store) : store_(store) {}
  StoreIdentity identity() const override { return store_.identity(); }
  Result<StoreSnapshot> read(std::string_view prefix) override { return store_.read(prefix); }
  Result<Revision> commit(const Transaction& transaction) override {
    std::unique_lock lock(mutex_);
    ++waiting_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return !stalled_; });
    --waiting_;
    return store_.commit(transaction);
  }
  Result<StoreChanges> changes(Revision after, std::size_t limit) override {
    return store_.changes(after, limit);
  }
  Result<StoreLease> grant(std::string_view name, std::string_view holder, Duration ttl) override {
    return store_.grant(name, holder, ttl);
  }
  Status renew(const StoreLease& lease) override { return store_.renew(lease); }
  Status revoke(const StoreLease& lease) override { return store_.revoke(lease); }

  void stall(bool on) {
    const std::lock_guard lock(mutex_);
    stalled_ = on;
    changed_.notify_all();
  }
  bool wait_for_commit() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, 20s, [this] { return waiting_ > 0; });
  }

 private:
  Store& store_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stalled_ = false;
  int waiting_ = 0;
};

// What the runner's thread did, waited for with a bound.
struct Seen {
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<Action> actions;
  std::vector<Answer> answers;
  int calls = 0;

  void add(const Action& action) {
    const std::lock_guard lock(mutex);
    actions.push_back(action);
    changed.notify_all();
  }
  Reply reply() {
    return [this](const Answer& answer) {
      const std::lock_guard lock(mutex);
      answers.push_back(answer);
      changed.notify_all();
    };
  }
  std::function<void()> call() {
    return [this] {
      const std::lock_guard lock(mutex);
      ++calls;
      changed.notify_all();
    };
  }
  bool wait(const std::function<bool()>& condition) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, 20s, condition);
  }
};

struct Running {
  SystemClock clock;
  Sequence random;
  MemoryStore memory{clock};
  StallingStore store{memory};
  Seen seen;
  std::optional<Runner> runner;

  explicit Running(RunnerOptions options = {}) {
    const auto inauguration = take_leadership(memory, ClusterId("demo"), {}, random);
    REQUIRE(inauguration.has_value());
    State state = begin(inauguration->records, two_sites(), inauguration->leadership.manager, clock.now());
    runner.emplace(Manager(std::move(state), {}, *inauguration), store, clock, options);
  }
  void start() {
    runner->start([this](const Action& action) { seen.add(action); });
  }
  void hosts_up() {
    for (const char* host : {"paris-1", "lyon-1"}) REQUIRE(runner->post(hello(host)));
  }
  std::size_t commands() { return only<SendCommand>(seen.actions).size(); }
};

}  // namespace

TEST_CASE("a request is answered, its command sent, and readers see it by then") {
  Running world;
  world.start();
  world.hosts_up();
  world.runner->submit(create_vm("web-1"), world.seen.reply());
  REQUIRE(world.seen.wait([&] { return world.commands() == 1; }));
  CHECK(world.runner->snapshot()->state.vms.size() == 1);
  CHECK(world.runner->snapshot()->audit_number > 0);
  const auto recent = world.runner->trail().read(0, 100, {});
  REQUIRE(recent.has_value());
  CHECK(recent->entries.size() == world.runner->snapshot()->audit_number);
}

TEST_CASE("while a commit stalls, nothing is acted on, reads go on and events are taken") {
  Running world;
  world.start();
  world.hosts_up();
  REQUIRE(world.seen.wait([&] { return world.runner->snapshot()->state.hosts.size() == 2; }));
  world.store.stall(true);
  world.runner->submit(create_vm("web-1"), world.seen.reply());
  REQUIRE(world.store.wait_for_commit());
  CHECK(world.runner->snapshot()->state.vms.empty());
  CHECK(world.runner->post(heartbeat("paris-1")));
  CHECK(world.commands() == 0);
  world.store.stall(false);
  REQUIRE(world.seen.wait([&] { return world.commands() == 1; }));
}

TEST_CASE("a request that is refused is answered at once, with the reason") {
  RunnerOptions options;
  options.most_requests = 1;
  Running world(options);
  world.store.stall(true);
  world.start();
  world.hosts_up();
  world.runner->submit(create_vm("web-1", "r1"), world.seen.reply());
  world.runner->submit(create_vm("web-2", "r1"), world.seen.reply());
  world.runner->submit(create_vm("web-3", "r3"), world.seen.reply());
  world.runner->submit(create_vm("web-4", ""), world.seen.reply());
  REQUIRE(world.seen.answers.size() == 3);
  CHECK(world.seen.answers[0].error->code == ErrorCode::conflict);
  CHECK(world.seen.answers[1].error->code == ErrorCode::exhausted);
  CHECK(world.seen.answers[2].error->code == ErrorCode::invalid);
  world.store.stall(false);
}

TEST_CASE("what is open when the manager stops is answered as unknown") {
  Running world;
  world.start();  // no host: the VM waits for a landing place
  world.runner->submit(create_vm("web-1"), world.seen.reply());
  world.runner->stop();
  REQUIRE(world.seen.answers.size() == 1);
  CHECK_FALSE(world.runner->post(hello("paris-1")));
  world.runner->submit(create_vm("web-2", "r2"), world.seen.reply());
  REQUIRE(world.seen.answers.size() == 2);
  CHECK(world.seen.answers[1].error->code == ErrorCode::unavailable);
}

TEST_CASE("followers are called when something new is audited, or when their time has passed") {
  Running world;
  world.start();
  const auto follow = [&](std::uint64_t after, Duration wait) {
    CHECK(world.runner->trail().follow(after, {}, world.clock.now() + wait, world.seen.call()));
  };
  follow(world.runner->snapshot()->audit_number, 60s);
  CHECK(world.seen.calls == 0);
  world.hosts_up();
  REQUIRE(world.seen.wait([&] { return world.seen.calls == 1; }));
  follow(1'000'000, 10ms);
  REQUIRE(world.seen.wait([&] { return world.seen.calls == 2; }));
  follow(0, 60s);
  CHECK(world.seen.calls == 3);
}

TEST_CASE("another manager's term ends the engine, with the reason") {
  Running world;
  world.start();
  REQUIRE(take_leadership(world.memory, ClusterId("demo"), {}, world.random).has_value());
  // Its first write ends it, so that a second event may find it ended, and a post() may say so.
  std::ignore = world.runner->post(hello("paris-1"));
  const auto why = world.runner->wait_failure(20s);
  REQUIRE(why.has_value());
  CHECK(why->code == ErrorCode::conflict);
  CHECK(world.seen.actions.empty());
}
