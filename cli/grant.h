// Grants: what a tenant's key signs, so that somebody gets inside a delivered machine (base/custody.h).
#pragma once

#include <optional>
#include <string>

#include "base/custody.h"
#include "base/result.h"
#include "base/signing.h"
#include "base/time.h"
#include "cli/session.h"

namespace bascule::cli {

// A key that signs: a file, or the PKCS#11 URI of one in a card.
Result<SigningKey> open_key(const std::string& name, const TokenAccess& access);

// The pin is read from its file, and must be of that key.
struct TenantKeys {
  std::string key;
  std::string pin;
  TokenAccess access;
};
Result<Grant> sign_grant(Grant grant, const TenantKeys& keys);

// What is to be allowed to whom, and for how long from now on.
struct Leave {
  Inside operation = Inside::console;
  OperatorId who;
  std::string reason;
  Duration length{};
  std::string snapshot{};  // of roll_back
};
Grant make_grant(const VmId& vm, const Leave& leave);

// By whoever has the tenant's key: a grant for themselves. Without the key it is asked for without one, which
// will do where none is needed.
Outcome<std::optional<Grant>> own_grant(Session& session, const std::string& vm, Inside operation,
                                        const std::string& reason, const std::string& snapshot = "");
// Of a file.
Outcome<std::optional<Grant>> grant_in(const std::string& path);

Result<std::string> read_document(const std::string& path);  // at most 64 KiB
std::string new_nonce();

}  // namespace bascule::cli
