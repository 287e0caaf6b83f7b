// The newest entries in memory: who is called, and what each may read.
#include "cluster/trail.h"

#include <doctest/doctest.h>

using namespace bascule;

namespace {

AuditEntry entry_of(std::uint64_t number, const std::string& tenant) {
  AuditEntry entry;
  entry.number = number;
  entry.record.tenant = TenantId(tenant);
  return entry;
}

struct Fixture {
  Trail trail{10, {3, 2}};
  int calls = 0;
  const Instant now{};
  bool follow(std::uint64_t after, const std::string& tenant = "") {
    return trail.follow(after, TenantId(tenant), now + 60s, [this] { ++calls; });
  }
  std::vector<std::uint64_t> numbers(std::uint64_t after, const std::string& tenant = "") {
    std::vector<std::uint64_t> found;
    const auto page = trail.read(after, 100, TenantId(tenant));
    REQUIRE(page.has_value());
    for (const AuditEntry& entry : page->entries) found.push_back(entry.number);
    return found;
  }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "a tenant's follower is called for what is the tenant's, and reads nothing else") {
  follow(10, "acme");
  trail.add({entry_of(11, "other"), entry_of(12, "")});
  CHECK(calls == 0);
  trail.add({entry_of(13, "acme")});
  CHECK(calls == 1);
  CHECK(numbers(10, "acme") == std::vector<std::uint64_t>{13});
  CHECK(numbers(10) == std::vector<std::uint64_t>{11, 12, 13});
  CHECK(trail.read(10, 100, TenantId("other"))->next == 13);
}

TEST_CASE_FIXTURE(Fixture, "who missed something is called at once") {
  trail.add({entry_of(11, "acme"), entry_of(12, "other")});
  follow(10, "acme");
  CHECK(calls == 1);
  follow(11, "acme");
  CHECK(calls == 1);
  follow(11, "other");
  CHECK(calls == 2);
}

TEST_CASE_FIXTURE(Fixture, "what is older than memory is said to be") {
  CHECK_FALSE(trail.read(9, 100, {}).has_value());
  CHECK(trail.read(10, 100, {}).has_value());
  trail.add({entry_of(11, ""), entry_of(12, ""), entry_of(13, ""), entry_of(14, "")});
  CHECK_FALSE(trail.read(10, 100, {}).has_value());
  CHECK(numbers(11) == std::vector<std::uint64_t>{12, 13, 14});
  follow(10, "acme");  // the store may have something for it
  CHECK(calls == 1);
}

TEST_CASE_FIXTURE(Fixture, "a number that was never given leads back to the last one") {
  const auto page = trail.read(1'000, 100, {});
  REQUIRE(page.has_value());
  CHECK(page->next == 10);
}

TEST_CASE_FIXTURE(Fixture, "followers are bounded, and none is forgotten at the end") {
  CHECK(follow(10, "a"));
  CHECK(follow(10, "b"));
  CHECK_FALSE(follow(10, "c"));
  trail.expire(now + 59s);
  CHECK(calls == 0);
  trail.end();
  CHECK(calls == 2);
  CHECK(follow(10, "d"));
  CHECK(calls == 3);
}

TEST_CASE_FIXTURE(Fixture, "a wait ends in time") {
  follow(10);
  trail.expire(now + 60s);
  CHECK(calls == 1);
}
