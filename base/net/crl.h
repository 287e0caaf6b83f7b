// Certificate revocation lists (RFC 5280, 5), as files have them. For the .cc files of base/net.
#pragma once

#include <openssl/x509.h>

#include <string>
#include <vector>

#include "base/openssl.h"
#include "base/result.h"

namespace bascule::net {

using Crl = openssl::Owned<X509_CRL>;

// One in DER, or any number (but one at least) in PEM. Whether they are signed well is for others to see.
Result<std::vector<Crl>> parse_crls(const std::string& bytes);

}  // namespace bascule::net
