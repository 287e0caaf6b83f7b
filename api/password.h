// Passwords and secrets of tenants' users: only hashes of them are kept.
//
// Passwords by Argon2id (RFC 9106, its second recommended choice with one lane: 64 MiB, three passes, some
// 0.1 s), in PHC form: "$argon2id$v=19$m=…". Secrets that we make ourselves have 256 random bits, for which
// one SHA-256 is enough.
#pragma once

#include <string>

#include "base/random.h"
#include "base/result.h"
#include "base/secret.h"

namespace bascule::api {

inline constexpr std::size_t kLongestPassword = 1024;

// What is wrong with a new password; empty when it will do. Length counts, not signs (NIST SP
// 800-63B, 5.1.1.2).
std::string problem_of_password(const std::string& password, std::size_t least_bytes);

// Both block for as long as the hash takes: on a worker, never on a server's thread.
Result<std::string> hash_password(const Secret& password, Random& random);
bool is_password(const Secret& password, const std::string& hash);
// What nobody's password has: an unknown account costs its asker the same time.
const std::string& hash_of_nobody();

}  // namespace bascule::api
