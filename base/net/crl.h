// Certificate revocation lists (RFC 5280, 5), as files have them. For the .cc files of base/net.
#pragma once

#include <openssl/x509.h>

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"

namespace bascule::net {

struct FreeCrl {
  void operator()(X509_CRL* crl) const { X509_CRL_free(crl); }
};
using Crl = std::unique_ptr<X509_CRL, FreeCrl>;

// One in DER, or any number (but one at least) in PEM. Whether they are signed well is for others to see.
Result<std::vector<Crl>> parse_crls(const std::string& bytes);

}  // namespace bascule::net
