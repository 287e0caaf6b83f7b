// Custody: who alone gets inside a machine, as its hosts believe it.
//
// It is kept with the machine's volumes: each host finds it there, also one that joined today, and no manager
// can write it. A *pin* is a tenant's public key, vouched for by the provider's security officer, whose own
// key is fixed on each host, or by the tenant's pin before it. A *grant* is what that key signs, so that
// somebody may get inside for a while. Hosts alone decide (hostd/custodian.h); everybody else merely carries
// these documents.
//
// What is signed is a line that names the kind, and the document as JSON with its members in alphabetical
// order, without blanks, its own `signature` empty; signatures are Ed25519, in hexadecimal (base/signing.h).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/fields.h"
#include "base/id.h"
#include "base/result.h"
#include "base/time.h"

namespace bascule {

struct Pin {
  TenantId tenant;
  std::uint64_t serial = 1;  // grows with each key of the tenant
  std::string key;           // public, PEM
  std::string signature;
};
template <class V>
void fields(V& v, Pin& x) {
  v("tenant", x.tenant);
  v("serial", x.serial);
  v("key", x.key);
  v("signature", x.signature);
}

struct Custody {
  int version = 1;
  VmId vm;
  TenantId tenant;
  bool delivered = false;  // from then on nobody gets inside without a grant
  std::string boots;       // SHA-256 of what decides how it boots, as it was when delivered
  std::optional<Pin> pin;  // the newest that a grant has shown
};
template <class V>
void fields(V& v, Custody& x) {
  v("version", x.version);
  v("vm", x.vm);
  v("tenant", x.tenant);
  v("delivered", x.delivered);
  v("boots", x.boots);
  v.optional("pin", x.pin);
}

// What somebody may be let inside for; a closed list.
enum class Inside { console };
constexpr auto enum_names(Inside) { return std::array{EnumName<Inside>{Inside::console, "console"}}; }

struct Grant {
  VmId vm;
  std::vector<Inside> operations;
  OperatorId who;  // as the manager calls them: "acme/anna", or one of the provider's staff
  std::string reason;
  WallTime not_before;
  WallTime not_after;
  std::string nonce;  // of 16 to 64 letters and digits; a grant is good once
  Pin pin;            // of the key that signs
  std::string signature;
};
template <class V>
void fields(V& v, Grant& x) {
  v("vm", x.vm);
  v("operations", x.operations);
  v("who", x.who);
  v("reason", x.reason);
  v("not_before", x.not_before);
  v("not_after", x.not_after);
  v("nonce", x.nonce);
  v("pin", x.pin);
  v("signature", x.signature);
}

std::string signed_text(const Pin& pin);
std::string signed_text(const Grant& grant);

}  // namespace bascule
