// The second factor of tenants' users: time-based one-time passwords (RFC 6238: SHA-1, six digits, 30 s), as
// every authenticator app knows them, and recovery codes for the day that the telephone is gone.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/time.h"

namespace bascule::api {

std::string make_second_factor(Random& random);  // 20 random bytes in base32
// "otpauth://totp/…": what the app reads from a QR code.
std::string uri_of_second_factor(const std::string& secret, const std::string& user);
bool is_second_factor(const std::string& secret);  // base32 of 20 bytes or more

// The code of a time step, of which one lasts 30 s; empty when the secret is none.
std::string code_of_step(const std::string& secret, std::uint64_t step);
std::uint64_t step_at(WallTime now);

// The time step that `code` belongs to: now, or one step before or after. Nothing when it is wrong.
std::optional<std::uint64_t> step_of_code(const std::string& secret, const std::string& code, WallTime now);

// Two groups of 13 letters, 130 random bits: enough for one SHA-256.
std::vector<std::string> make_recovery_codes(Random& random);

}  // namespace bascule::api
