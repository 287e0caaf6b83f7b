// Grants: what a tenant's key signs, so that somebody gets inside a delivered machine (base/custody.h).
#pragma once

#include <string>

#include "base/custody.h"
#include "base/result.h"
#include "base/time.h"
#include "cli/session.h"

namespace bascule::cli {

// Signs with the key in that file; the pin is read from the other, and must be of that key.
struct TenantKeys {
  std::string key;
  std::string pin;
};
Result<Grant> sign_grant(Grant grant, const TenantKeys& keys);

// For `who` to use the console of the VM with that id, from now on.
Grant console_grant(const VmId& vm, const OperatorId& who, const std::string& reason, Duration length);

Result<std::string> read_document(const std::string& path);  // at most 64 KiB

}  // namespace bascule::cli
