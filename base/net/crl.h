// Certificate revocation lists (RFC 5280, 5), as files have them.
#pragma once

#include <openssl/x509.h>

#include <string>
#include <vector>

#include "base/openssl.h"
#include "base/result.h"
#include "base/time.h"

namespace bascule::net {

using Crl = openssl::Owned<X509_CRL>;

// One in DER, or any number (but one at least) in PEM. Whether they are signed well is for others to see.
Result<std::vector<Crl>> parse_crls(const std::string& bytes);

// Of the one that ends first. One that names no end is `invalid`: it would never be noticed that it is old.
struct CrlTimes {
  WallTime from;
  WallTime until;
};
Result<CrlTimes> crl_times(const std::string& bytes);

}  // namespace bascule::net
