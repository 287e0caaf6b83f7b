#include "base/custody.h"

#include <doctest/doctest.h>

namespace bascule {
namespace {

Grant to_anna() {
  Grant grant;
  grant.vm = VmId("6f1c");
  grant.operations = {Inside::console};
  grant.who = OperatorId("acme/anna");
  grant.reason = "a look";
  grant.not_before = {1000};
  grant.not_after = {2000};
  grant.nonce = "0123456789abcdef";
  grant.pin = {TenantId("acme"), 1, "key", "ab"};
  grant.signature = "not signed";
  return grant;
}

// Programs of tenants make it too, browsers among them: a member more, and no signature of theirs is good any
// more.
TEST_CASE("a grant's signature is of this text") {
  CHECK(signed_text(to_anna()) ==
        "bascule grant 1\n"
        R"({"nonce":"0123456789abcdef","not_after":2000,"not_before":1000,"operations":["console"],)"
        R"("pin":{"key":"key","serial":1,"signature":"ab","tenant":"acme"},"reason":"a look","signature":"",)"
        R"("vm":"6f1c","who":"acme/anna"})");
}

TEST_CASE("and of the snapshot's name where it is for going back to one") {
  Grant grant = to_anna();
  grant.operations = {Inside::roll_back};
  grant.snapshot = "before";
  CHECK(signed_text(grant).find(R"("signature":"","snapshot":"before","vm")") != std::string::npos);
}

}  // namespace
}  // namespace bascule
