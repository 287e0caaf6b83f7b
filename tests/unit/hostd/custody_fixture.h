// A host with a machine of acme's, and everybody who has a key.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/signing.h"
#include "hostd/domain_xml.h"
#include "tests/unit/hostd/agent_fixture.h"

namespace bascule::hostd {

// Whoever has a key: the tenant, the security officer, an attacker.
struct KeyHolder {
  KeyHolder(const test::TemporaryFolder& folder, const std::string& name)
      : key(*SigningKey::make(folder.path(name + ".key"))) {}
  explicit KeyHolder(SigningKey loaded) : key(std::move(loaded)) {}

  Pin vouch(const KeyHolder& whose, const std::string& tenant, std::uint64_t serial = 1) const {
    Pin pin{TenantId(tenant), serial, whose.key.public_pem(), ""};
    pin.signature = *key.sign(signed_text(pin));
    return pin;
  }
  Grant sign(Grant grant) const {
    grant.signature = *key.sign(signed_text(grant));
    return grant;
  }
  SigningKey key;
};

// A host with a machine of acme's; time is real where grants are judged.
struct Custodial : Host {
  KeyHolder acme{folder, "acme"}, mallory{folder, "mallory"};
  KeyHolder bob{folder, "bob"}, carol{folder, "carol"};  // of the provider: together they break the glass
  Pin pin = officer().vouch(acme, "acme");
  int nonces = 0;

  Custodial() {
    trusted.officer = officer().key.public_pem();
    trusted.glass = {bob.key.public_pem(), carol.key.public_pem()};
    boot();
  }
  const KeyHolder& officer() {
    static const test::TemporaryFolder office;
    static const KeyHolder holder(office, "officer");
    return holder;
  }

  VmSpec shop() const {
    VmSpec made;
    made.id = kVm;
    made.name = "acme/shop-1";
    made.tenant = TenantId("acme");
    made.home = SiteId("paris");
    made.memory_mib = 64;
    made.disks = {{"metro", "shop-1", 1}};
    return made;
  }
  Status begin(const VmSpec& wanted, bool delivered, std::uint64_t generation = 1) {
    wire::Command order = command(generation);
    order.order = wire::StartVm{wanted, {}, Generation(generation - 1), delivered};
    const auto reply = obey(order);
    REQUIRE(reply);
    return reply->error ? Status(failure(*reply->error)) : Status();
  }
  void deliver() {
    wire::Command order = command(1);
    order.order = wire::ChangeVolumes{shop(), wire::Deliver()};
    must(order);
  }
  Grant grant() {
    const WallTime now = clock.wall();
    Grant made;
    made.vm = kVm;
    made.operations = {Inside::console};
    made.who = OperatorId("acme/anna");
    made.reason = "it hangs since noon";
    made.not_before = now;
    made.not_after = {now.unix_ms + 3600 * 1000};
    made.nonce = "nonce" + std::to_string(1'000'000'000'000 + ++nonces);
    made.pin = pin;
    return acme.sign(made);
  }
  BrokenGlass glass(const std::vector<const KeyHolder*>& signers) {
    const WallTime now = clock.wall();
    BrokenGlass made;
    made.vm = kVm;
    made.tenant = TenantId("acme");
    made.who = OperatorId("bob");
    made.reason = "it spreads malware now";
    made.not_before = now;
    made.not_after = {now.unix_ms + 3600 * 1000};
    made.nonce = "glass" + std::to_string(1'000'000'000'000 + ++nonces);
    return sign(made, signers);
  }
  static BrokenGlass sign(BrokenGlass made, const std::vector<const KeyHolder*>& signers) {
    made.signatures.clear();
    for (const KeyHolder* each : signers)
      made.signatures.push_back({each->key.public_pem(), *each->key.sign(signed_text(made))});
    return made;
  }
  // Why they don't get in; empty: they do.
  std::string enter(const std::optional<Grant>& with, const std::string& who = "acme/anna",
                    const std::optional<BrokenGlass>& broken = {}) {
    const wire::OpenStream order{"s",  kVm,   Generation(1), wire::ConsoleKind::serial, OperatorId(who),
                                 with, broken};
    const auto xml = hypervisor.xml(kVm);
    REQUIRE(xml);
    const auto entered = agent->enter(order, identity_of(*xml));
    return entered ? "" : entered.error().message;
  }
};

inline bool says(const std::string& text, const std::string& words) {
  CAPTURE(text);
  return text.find(words) != std::string::npos;
}

}  // namespace bascule::hostd
