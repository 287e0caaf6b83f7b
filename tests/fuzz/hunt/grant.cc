// Grants, pins, broken glass and custody: whatever they are, none lets anybody in that nobody has signed.
#include <filesystem>

#include "hostd/custodian.h"
#include "tests/fuzz/hunt/hunt.h"

using namespace bascule;

namespace {

// A public key of Ed25519 whose private part is nowhere.
const char* const kOfficer =
    "-----BEGIN PUBLIC KEY-----\n"
    "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n"
    "-----END PUBLIC KEY-----\n";

hostd::Custodian& custodian() {
  static const auto made = [] {
    const std::string path = std::filesystem::temp_directory_path() / "bascule-hunt-grants.json";
    auto opened = hostd::Custodian::open(path, {kOfficer, {kOfficer}, {}});
    hunt::must(opened.has_value());
    return *std::move(opened);
  }();
  return *made;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text = hunt::text_of(data, size);
  Custody kept;
  kept.vm = VmId("2f0a3c1e-8c55-4d0c-9d4e-0a1b2c3d4e5f");
  kept.tenant = TenantId("acme");
  kept.delivered = true;
  const WallTime now{1'700'000'000'000};
  if (const auto grant = hunt::understood_or_refused<Grant>(text))
    hunt::must(!custodian().may_enter(kept, {grant->who, Inside::console, *grant}, now));
  if (const auto glass = hunt::understood_or_refused<BrokenGlass>(text))
    hunt::must(!custodian().may_enter(kept, {glass->who, Inside::console, std::nullopt, *glass}, now));
  if (const auto pin = hunt::understood_or_refused<Pin>(text))
    hunt::must(!hostd::check_pin(*pin, std::nullopt, kOfficer));
  (void)hostd::read_custody(text);
  return 0;
}
