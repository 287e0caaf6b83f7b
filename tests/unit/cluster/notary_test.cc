#include "cluster/notary.h"

#include <doctest/doctest.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>

#include "base/durable_file.h"
#include "base/json.h"
#include "cluster/audit.h"
#include "cluster/keys.h"
#include "cluster/store_memory.h"
#include "tests/unit/cluster/pump.h"

using namespace bascule;

namespace {

struct Office {
  Office() {
    std::string name = (std::filesystem::temp_directory_path() / "bascule-notary-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    folder = name + "/audit";
  }
  ~Office() { std::filesystem::remove_all(std::filesystem::path(folder).parent_path()); }
  Office(const Office&) = delete;
  Office& operator=(const Office&) = delete;

  void write(int count) {
    for (int i = 0; i < count; ++i) {
      AuditRecord record;
      record.actor = "alice";
      put(seal(head, WallTime{1000}, record).pair);
    }
  }
  void put(const KeyValue& pair) {
    Transaction transaction;
    transaction.puts.push_back(pair);
    REQUIRE(store.commit(transaction));
  }
  std::unique_ptr<Notary> open() {
    auto made = Notary::open({ClusterId("demo"), Term(), folder, 3600s, 10}, store, clock);
    REQUIRE(made);
    return std::move(*made);
  }
  std::size_t checkpoints() { return read_checkpoints(store, 0, UINT64_MAX)->size(); }
  Status check(const std::string& pem) {
    AuditReader reader(pem);
    const auto exported = export_audit(store, 0, 1000);
    REQUIRE(exported);
    for (const std::string& line : exported->lines)
      if (const Status follows = reader.next(line); !follows) return follows;
    return reader.end();
  }

  test::HandClock clock;
  MemoryStore store{clock};
  AuditHead head;
  std::string folder;
};

}  // namespace

TEST_CASE("signed as soon as there is enough, or when an hour has passed, and not without news") {
  Office office;
  const auto notary = office.open();
  REQUIRE(notary->look());
  CHECK(office.checkpoints() == 0);
  office.write(9);
  REQUIRE(notary->look());
  CHECK(office.checkpoints() == 0);
  office.write(1);
  REQUIRE(notary->look());
  CHECK(office.checkpoints() == 1);
  office.write(1);
  office.clock.at = office.clock.at + 3600s;
  REQUIRE(notary->look());
  CHECK(office.checkpoints() == 2);
  office.clock.at = office.clock.at + 3600s;
  REQUIRE(notary->look());
  CHECK(office.checkpoints() == 2);
  CHECK(office.check(notary->public_pem()));
  const auto outside = read_whole(office.folder + "/checkpoints.jsonl", 100'000);
  REQUIRE(outside);
  CHECK(std::count(outside->begin(), outside->end(), '\n') == 2);
}

TEST_CASE("a notary that begins anew goes on from its last checkpoint, with the same key") {
  Office office;
  office.write(10);
  std::string pem;
  {
    const auto notary = office.open();
    REQUIRE(notary->look());
    pem = notary->public_pem();
  }
  office.write(10);
  const auto notary = office.open();
  CHECK(notary->public_pem() == pem);
  REQUIRE(notary->look());
  CHECK(office.checkpoints() == 2);
  CHECK(office.check(pem));
}

TEST_CASE("a chain that was changed is never signed") {
  Office office;
  const auto notary = office.open();
  office.write(5);
  REQUIRE(notary->look());
  office.write(1);
  AuditHead forged{5, std::string(64, 'a')};
  AuditRecord record;
  record.actor = "mallory";
  office.put(seal(forged, WallTime{1000}, record).pair);
  office.head = forged;
  office.write(20);
  const Status looked = notary->look();
  REQUIRE(!looked);
  CHECK(looked.error().message.starts_with("audit entry 5 was changed"));
  CHECK(office.checkpoints() == 0);
}

TEST_CASE("a checkpoint of another key stops it") {
  Office office;
  office.write(10);
  REQUIRE(office.open()->look());
  std::filesystem::remove(office.folder + "/key.pem");
  office.write(10);
  CHECK(!office.open()->look());
  CHECK(office.checkpoints() == 1);
}
