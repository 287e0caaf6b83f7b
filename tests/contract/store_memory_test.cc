#include "cluster/store_memory.h"

#include <doctest/doctest.h>

#include "tests/contract/store_contract.h"

using namespace bascule;

namespace {
class HandClock final : public Clock {
 public:
  Instant now() const override { return now_; }
  WallTime wall() const override { return {}; }
  void advance(Duration by) { now_ = now_ + by; }

 private:
  Instant now_;
};
}  // namespace

TEST_CASE("store contract: memory") {
  HandClock clock;
  check_store_contract([&] { return std::make_unique<MemoryStore>(clock); });
}

TEST_CASE("a lease in memory lapses and passes to another holder") {
  HandClock clock;
  MemoryStore store(clock);
  const StoreLease first = *store.grant("leader", "m1", 10s);
  clock.advance(9s);
  CHECK(store.renew(first).has_value());
  clock.advance(9s);
  CHECK(store.grant("leader", "m2", 10s).error().code == ErrorCode::conflict);
  clock.advance(1s);
  CHECK(store.renew(first).error().code == ErrorCode::not_found);
  const StoreLease second = *store.grant("leader", "m2", 10s);
  // What the old holder still says does not touch the new one's lease.
  CHECK(store.renew(first).error().code == ErrorCode::not_found);
  CHECK(store.revoke(first).has_value());
  CHECK(store.renew(second).has_value());
}

TEST_CASE("the memory store loses answers when it is told to") {
  HandClock clock;
  MemoryStore store(clock);
  StoreFault next = StoreFault::lost_answer;
  store.inject([&](const Transaction&) { return next; });
  CHECK(store.commit({{}, Term(0), {{"a", "1"}}, {}}).error().code == ErrorCode::unknown_outcome);
  CHECK(store.read("a")->pairs.size() == 1);
  next = StoreFault::lost_request;
  CHECK(store.commit({{}, Term(0), {{"b", "1"}}, {}}).error().code == ErrorCode::unknown_outcome);
  CHECK(store.read("b")->pairs.empty());
  next = StoreFault::refused;
  CHECK(store.commit({{}, Term(0), {{"b", "1"}}, {}}).error().code == ErrorCode::unavailable);
  next = StoreFault::none;
  store.set_away(true);
  CHECK(store.read("").error().code == ErrorCode::unavailable);
  store.set_away(false);
  CHECK(store.commit({{}, Term(0), {{"b", "1"}}, {}}).has_value());
}

TEST_CASE("a restored memory store is another epoch, and its revisions go on") {
  HandClock clock;
  MemoryStore store(clock);
  REQUIRE(store.commit({{}, Term(0), {{"a", "1"}}, {}}).has_value());
  const StoreSnapshot backup = store.backup();
  const Revision late = *store.commit({{}, Term(0), {{"a", "2"}, {"b", "2"}}, {}});
  store.restore(backup, "second");
  CHECK(store.identity().epoch == Epoch{"second", EpochNumber(2)});
  CHECK(store.identity().restored);
  CHECK(store.read("a")->pairs.at(0).value == "1");
  CHECK(store.read("b")->pairs.empty());
  CHECK(store.read(kRecoveringKey)->pairs.size() == 1);
  CHECK(store.read("")->revision > late);
  CHECK(store.changes(late, 10).error().code == ErrorCode::not_found);
}
