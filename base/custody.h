// Custody: who alone gets inside a machine, as its hosts believe it.
//
// It is kept with the machine's volumes: each host finds it there, also one that joined today, and no manager
// can write it. A *pin* is a tenant's public key, vouched for by the provider's security officer, whose own
// key is fixed on each host, or by the tenant's pin before it. A *grant* is what that key signs, so that
// somebody may get inside for a while. *Broken glass* is what two of the provider's people sign, whose keys
// are fixed on each host too: its tenant is told first, and it is marked for ever. Hosts alone decide
// (hostd/custodian.h); everybody else merely carries these documents.
//
// What is signed is a line that names the kind, and the document as JSON with its members in alphabetical
// order, without blanks, its own `signature` (or `signatures`) empty; for signatures see base/signing.h.
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

// That somebody broke the glass; noted with the volumes before anybody gets inside, and never taken away.
struct GlassMark {
  std::string nonce;
  OperatorId who;
  std::string reason;
  std::vector<std::string> keys;  // SHA-256 of each that signed, as PEM
  WallTime at;
  std::optional<WallTime> used{};  // somebody was let in by it, which is done once
};
template <class V>
void fields(V& v, GlassMark& x) {
  v("nonce", x.nonce);
  v("who", x.who);
  v("reason", x.reason);
  v("keys", x.keys);
  v("at", x.at);
  v.optional("used", x.used);
}

struct Custody {
  int version = 1;
  VmId vm;
  TenantId tenant;
  bool delivered = false;  // from then on nobody gets inside without a grant
  std::string boots;       // SHA-256 of what decides how it boots, as it was when delivered, without:
  std::string cdrom{};     // "pool/image" in its drive then, which may be taken out, and back in
  std::optional<Pin> pin;  // the newest that a grant has shown
  std::optional<WallTime> delivered_at{};  // 0: it was its tenant's from the beginning; absent: not known
  std::vector<GlassMark> glass{};          // oldest first
};
template <class V>
void fields(V& v, Custody& x) {
  v("version", x.version);
  v("vm", x.vm);
  v("tenant", x.tenant);
  v("delivered", x.delivered);
  v("boots", x.boots);
  v.optional("cdrom", x.cdrom);
  v.optional("pin", x.pin);
  v.optional("delivered_at", x.delivered_at);
  v.optional("glass", x.glass);
}

// What somebody may be let inside for; a closed list.
enum class Inside { console, roll_back };
constexpr auto enum_names(Inside) {
  return std::array{EnumName<Inside>{Inside::console, "console"},
                    EnumName<Inside>{Inside::roll_back, "roll_back"}};
}

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
  std::optional<std::string> snapshot{};  // that roll_back goes to; in no other
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
  v.optional("snapshot", x.snapshot);
}

struct GlassSignature {
  std::string key;  // public, PEM
  std::string signature;
};
template <class V>
void fields(V& v, GlassSignature& x) {
  v("key", x.key);
  v("signature", x.signature);
}

// For the console of one machine, without its tenant's leave.
struct BrokenGlass {
  VmId vm;
  TenantId tenant;
  OperatorId who;
  std::string reason;
  WallTime not_before;
  WallTime not_after;
  std::string nonce;                       // as of a grant
  std::vector<GlassSignature> signatures;  // all of one text
};
template <class V>
void fields(V& v, BrokenGlass& x) {
  v("vm", x.vm);
  v("tenant", x.tenant);
  v("who", x.who);
  v("reason", x.reason);
  v("not_before", x.not_before);
  v("not_after", x.not_after);
  v("nonce", x.nonce);
  v("signatures", x.signatures);
}

std::string signed_text(const Pin& pin);
std::string signed_text(const Grant& grant);
std::string signed_text(const BrokenGlass& glass);

// Whether two of these keys (as public_pem() has them) have signed it, and nobody else; and its reason is a
// line that can be kept. Its time and machine are another matter.
Status check_signers(const BrokenGlass& glass, const std::vector<std::string>& keys);

bool is_nonce(const std::string& text);

}  // namespace bascule
