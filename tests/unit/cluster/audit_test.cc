#include "cluster/audit.h"

#include "tests/unit/cluster/pump.h"

using namespace ::test;

namespace {

std::vector<StoredPair> chain_of(int count, AuditHead& head) {
  std::vector<StoredPair> pairs;
  for (int i = 0; i < count; ++i) {
    AuditRecord record;
    record.actor = "alice";
    record.what = "step_" + std::to_string(i);
    record.subject = "vm/x";
    SealedEntry sealed = seal(head, WallTime{1000 + i}, record);
    pairs.push_back({std::move(sealed.pair.key), std::move(sealed.pair.value), Revision(1)});
  }
  return pairs;
}

std::string fault_of(const std::vector<StoredPair>& pairs) {
  AuditHead head;
  const Status status = verify_links(head, pairs);
  return status ? "" : status.error().message;
}

}  // namespace

TEST_CASE("a whole chain verifies, and each damage is named") {
  AuditHead end;
  const std::vector<StoredPair> good = chain_of(10, end);
  AuditHead head;
  CHECK(verify_links(head, good).has_value());
  CHECK(head.number == 10);
  CHECK(head.hash == end.hash);

  std::vector<StoredPair> changed = good;
  changed[3].value.replace(changed[3].value.find("alice"), 5, "mallo");
  CHECK(fault_of(changed).starts_with("audit entry 4 was changed"));

  std::vector<StoredPair> missing = good;
  missing.erase(missing.begin() + 5);
  CHECK(fault_of(missing).starts_with("audit entry 6 is missing"));

  std::vector<StoredPair> reordered = good;
  std::swap(reordered[6].value, reordered[7].value);
  CHECK(fault_of(reordered).starts_with("audit entry 7 is missing or stands in the wrong place"));

  std::vector<StoredPair> damaged = good;
  damaged[8].value = "{";
  CHECK(fault_of(damaged).starts_with("audit entry 9 can't be read"));
}

TEST_CASE("the stored chain is verified up to the marker: a cut tail and a changed last entry show") {
  Pump pump;
  pump.begin_manager();
  pump.hosts_up();
  for (int i = 0; i < 5; ++i) {
    pump.post(create_vm("web-" + std::to_string(i), "r" + std::to_string(i)));
    pump.settle();
  }
  const std::uint64_t last = pump.manager->audit_head().number;
  REQUIRE(last >= 5);
  REQUIRE(verify_chain(pump.store).value() == last);
  const auto entries = read_audit(pump.store, 2, 2);
  REQUIRE(entries.has_value());
  REQUIRE(entries->size() == 2);
  CHECK(entries->front().number == 3);

  const StoredPair end = *pump.stored(keys::audit(last));
  const auto tamper = [&](Transaction transaction) {
    transaction.expect_term = pump.manager->leadership().term;
    REQUIRE(pump.store.commit(transaction).has_value());
  };
  tamper({{}, {}, {{end.key, end.value + " "}}, {}});
  CHECK(verify_chain(pump.store).error().message.starts_with("audit entry " + std::to_string(last)));
  tamper({{}, {}, {}, {end.key}});
  CHECK(verify_chain(pump.store)
            .error()
            .message.starts_with("audit entry " + std::to_string(last) + " is missing"));
}

TEST_CASE("a damaged record is named, with what to do") {
  Pump pump;
  pump.begin_manager();
  pump.hosts_up();
  REQUIRE(pump.stored("host/paris-1"));
  Transaction damage;
  damage.expect_term = pump.manager->leadership().term;
  damage.puts = {{"host/paris-1", R"({"version":1,"id":"paris-1"})"}};
  REQUIRE(pump.store.commit(damage).has_value());
  const auto loaded = load(pump.store);
  REQUIRE_FALSE(loaded.has_value());
  CHECK(loaded.error().code == ErrorCode::corrupt);
  CHECK(loaded.error().message.find("\"host/paris-1\"") != std::string::npos);
  CHECK(loaded.error().message.find("site: is missing") != std::string::npos);
  CHECK(loaded.error().message.find("restore the database") != std::string::npos);
}

TEST_CASE("a database of another cluster is refused; a restored one begins recovering") {
  Pump pump;
  pump.begin_manager();
  const auto other = take_leadership(pump.store, ClusterId("other"), {}, pump.random);
  REQUIRE_FALSE(other.has_value());
  CHECK(other.error().code == ErrorCode::conflict);

  const StoreSnapshot old = pump.store.backup();
  pump.store.restore(old, "memory-restored");
  pump.begin_manager();
  CHECK(pump.manager->state().cluster.recovering);
  CHECK(pump.manager->leadership().epoch.id == "memory-restored");
  // It ends once every host has reported, and the store forgets it in the same commit.
  CHECK(pump.stored(std::string(kRecoveringKey)));
  pump.hosts_up();
  CHECK_FALSE(pump.manager->state().cluster.recovering);
  CHECK_FALSE(pump.stored(std::string(kRecoveringKey)));
}
