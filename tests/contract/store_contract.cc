#include "tests/contract/store_contract.h"

#include <doctest/doctest.h>

#include <atomic>
#include <thread>

namespace bascule {
namespace {

Revision must_commit(Store& store, const Transaction& transaction) {
  const Result<Revision> done = store.commit(transaction);
  REQUIRE_MESSAGE(done.has_value(), done.error().message);
  return *done;
}

Transaction put(std::string key, std::string value) { return {{}, Term(0), {{key, value}}, {}}; }

ErrorCode refusal(Store& store, const Transaction& transaction) {
  const Revision before = store.read("")->revision;
  const Result<Revision> done = store.commit(transaction);
  REQUIRE_FALSE(done.has_value());
  CHECK_FALSE(done.error().message.empty());
  CHECK(store.read("")->revision == before);
  return done.error().code;
}

void check_reading(Store& store) {
  CHECK(store.read("")->pairs.empty());
  const Revision first = must_commit(store, {{}, Term(0), {{"host/a", "1"}, {"host/b", "2"}}, {}});
  const Revision second = must_commit(store, put("hosting", "3"));
  CHECK(second > first);
  const StoreSnapshot hosts = *store.read("host/");
  CHECK(hosts.revision == second);
  REQUIRE(hosts.pairs.size() == 2);
  CHECK(hosts.pairs[0] == StoredPair{"host/a", "1", first});
  CHECK(hosts.pairs[1] == StoredPair{"host/b", "2", first});
  CHECK(store.read("")->pairs.size() == 3);
  CHECK(store.read(std::string_view())->pairs.size() == 3);
  CHECK(store.read("host/b")->pairs.size() == 1);
  CHECK(store.read("x")->pairs.empty());
  must_commit(store, {{}, Term(0), {}, {"host/a", "never-there"}});
  CHECK(store.read("host/")->pairs.size() == 1);
  must_commit(store, put("empty", ""));
  CHECK(store.read("empty")->pairs.at(0).value.empty());
}

void check_compare_and_set(Store& store) {
  const Revision made = must_commit(store, {{{"vm/1", std::nullopt}}, Term(0), {{"vm/1", "a"}}, {}});
  CHECK(refusal(store, {{{"vm/1", std::nullopt}}, Term(0), {{"vm/1", "b"}}, {}}) == ErrorCode::conflict);
  CHECK(refusal(store, {{{"vm/1", Revision(99)}}, Term(0), {{"vm/1", "b"}}, {}}) == ErrorCode::conflict);
  // One broken expectation undoes everything, also operations on other keys.
  CHECK(refusal(store, {{{"vm/1", made}, {"vm/2", made}}, Term(0), {{"vm/3", "x"}}, {"vm/1"}}) ==
        ErrorCode::conflict);
  CHECK(store.read("vm/")->pairs.size() == 1);
  const Revision changed = must_commit(store, {{{"vm/1", made}}, Term(0), {{"vm/1", "b"}}, {}});
  CHECK(refusal(store, {{{"vm/1", made}}, Term(0), {{"vm/1", "c"}}, {}}) == ErrorCode::conflict);
  must_commit(store, {{{"vm/1", changed}}, Term(0), {}, {"vm/1"}});
  // Deleted is absent.
  CHECK(refusal(store, {{{"vm/1", changed}}, Term(0), {{"vm/1", "d"}}, {}}) == ErrorCode::conflict);
  must_commit(store, {{{"vm/1", std::nullopt}}, Term(0), {{"vm/1", "d"}}, {}});
}

void check_term(Store& store) {
  const std::string key(kTermKey);
  must_commit(store, {{}, Term(0), {{key, "4"}}, {}});
  CHECK(refusal(store, put("a", "1")) == ErrorCode::conflict);
  CHECK(refusal(store, {{}, Term(3), {{"a", "1"}}, {}}) == ErrorCode::conflict);
  CHECK(refusal(store, {{}, Term(5), {{"a", "1"}}, {}}) == ErrorCode::conflict);
  must_commit(store, {{}, Term(4), {{"a", "1"}}, {}});
  CHECK(refusal(store, {{}, Term(4), {{key, "4"}}, {}}) == ErrorCode::invalid);
  CHECK(refusal(store, {{}, Term(4), {{key, "-5"}}, {}}) == ErrorCode::invalid);
  CHECK(refusal(store, {{}, Term(4), {{key, "five"}}, {}}) == ErrorCode::invalid);
  CHECK(refusal(store, {{}, Term(4), {}, {key}}) == ErrorCode::invalid);
  must_commit(store, {{}, Term(4), {{key, "5"}}, {}});
  must_commit(store, {{}, Term(5), {{"a", "2"}}, {}});
}

void check_sizes(Store& store) {
  must_commit(store, put("big", std::string(kLargestValue, 'x')));
  CHECK(store.read("big")->pairs.at(0).value.size() == kLargestValue);
  CHECK(refusal(store, put("big", std::string(kLargestValue + 1, 'x'))) == ErrorCode::exhausted);
  CHECK(refusal(store, put(std::string(kLongestKey + 1, 'k'), "1")) == ErrorCode::exhausted);
  CHECK(refusal(store, put("", "1")) == ErrorCode::invalid);
  CHECK(refusal(store, put("a\nb", "1")) == ErrorCode::invalid);
  Transaction many;
  for (std::size_t i = 0; i < kMostOperations; ++i) many.puts.push_back({"k" + std::to_string(i), "1"});
  must_commit(store, many);
  Transaction more = many;
  more.deletes.push_back("big");
  CHECK(refusal(store, more) == ErrorCode::exhausted);
  Transaction expectant;
  for (std::size_t i = 0; i <= kMostOperations; ++i) expectant.expect.push_back({"k", std::nullopt});
  CHECK(refusal(store, expectant) == ErrorCode::exhausted);
  CHECK(refusal(store, {{}, Term(0), {{"a", "1"}}, {"a"}}) == ErrorCode::invalid);
  Transaction heavy;
  for (const char* key : {"a", "b", "c", "d"}) heavy.puts.push_back({key, std::string(kLargestValue, 'x')});
  CHECK(refusal(store, heavy) == ErrorCode::exhausted);
}

void check_changes(Store& store) {
  const Revision start = store.read("")->revision;
  const Revision first = must_commit(store, {{}, Term(0), {{"a", "1"}, {"b", "1"}}, {}});
  const Revision second = must_commit(store, put("a", "2"));
  const Revision third = must_commit(store, {{}, Term(0), {{"c", "1"}, {"d", "1"}}, {"b"}});
  const StoreChanges all = *store.changes(start, 100);
  CHECK(all.through == third);
  CHECK_FALSE(all.more);
  REQUIRE(all.changes.size() == 4);
  CHECK(all.changes[0].key == "a");
  CHECK(all.changes[0].value == "2");
  CHECK(all.changes[0].revision == second);
  CHECK(all.changes[1].key == "b");
  CHECK_FALSE(all.changes[1].value.has_value());
  // Asked for two, it gives the whole third transaction rather than half of it.
  const StoreChanges some = *store.changes(first, 2);
  CHECK(some.changes.size() == 4);
  const StoreChanges one = *store.changes(first, 1);
  CHECK(one.changes.size() == 1);
  CHECK(one.more);
  CHECK(one.through == second);
  CHECK(store.changes(one.through, 1)->changes.size() == 3);
  CHECK(store.changes(third, 10)->changes.empty());
  CHECK(store.changes(third, 10)->through == third);
}

void check_forgetting(Store& store) {
  must_commit(store, put("kept", "1"));
  const Revision early = store.read("")->revision;
  std::size_t made = 0;
  // Deletions beyond the bound, and enough commits for a backend that looks only now and then.
  while (made <= kRememberedDeletions + 2200) {
    Transaction fill;
    Transaction clear;
    for (std::size_t i = 0; i < kMostOperations; ++i) {
      fill.puts.push_back({"tmp/" + std::to_string(made++), "1"});
      clear.deletes.push_back(fill.puts.back().key);
    }
    must_commit(store, fill);
    must_commit(store, clear);
  }
  for (int i = 0; i < 1100; ++i) must_commit(store, put("kept", std::to_string(i)));
  const Result<StoreChanges> old = store.changes(early, 10);
  REQUIRE_FALSE(old.has_value());
  CHECK(old.error().code == ErrorCode::not_found);
  const Revision now = store.read("")->revision;
  CHECK(store.changes(Revision(now.value - 1), 10)->changes.size() == 1);
}

void check_lease(Store& store) {
  const Result<StoreLease> lease = store.grant("leader", "m1", 10s);
  REQUIRE(lease.has_value());
  CHECK(lease->holder == "m1");
  CHECK(lease->ttl == 10s);
  CHECK(store.renew(*lease).has_value());
  CHECK(store.revoke(*lease).has_value());
  CHECK(store.revoke(*lease).has_value());
  CHECK(store.grant("leader", "m2", 10s).has_value());
}

void check_threads(Store& store) {
  must_commit(store, put("counter", "0"));
  std::atomic<int> conflicts = 0;
  const auto count = [&] {
    for (int done = 0; done < 25;) {
      const StoredPair old = store.read("counter")->pairs.at(0);
      const std::string next = std::to_string(std::stoi(old.value) + 1);
      const Result<Revision> committed =
          store.commit({{{"counter", old.revision}}, Term(0), {{"counter", next}}, {}});
      if (committed)
        ++done;
      else if (committed.error().code == ErrorCode::conflict)
        ++conflicts;
      else
        return;
    }
  };
  std::thread first(count);
  std::thread second(count);
  first.join();
  second.join();
  CHECK(store.read("counter")->pairs.at(0).value == "50");
}

}  // namespace

void check_store_contract(const MakeStore& make) {
  const std::unique_ptr<Store> store = make();
  CHECK_FALSE(store->identity().epoch.id.empty());
  CHECK(store->identity().epoch.number == EpochNumber(1));
  CHECK_FALSE(store->identity().restored);
  SUBCASE("reads a prefix at one revision") { check_reading(*store); }
  SUBCASE("compares and sets, all or nothing") { check_compare_and_set(*store); }
  SUBCASE("compares the term in every commit") { check_term(*store); }
  SUBCASE("refuses what is too big") { check_sizes(*store); }
  SUBCASE("tells what changed") { check_changes(*store); }
  SUBCASE("forgets old deletions and says so") { check_forgetting(*store); }
  SUBCASE("grants, renews and revokes a lease") { check_lease(*store); }
  SUBCASE("loses no update between threads") { check_threads(*store); }
}

}  // namespace bascule
