// TLS with a key, and perhaps a certificate, that a token holds. For the .cc files of base/net.
#pragma once

#include <openssl/ssl.h>

#include "base/net/tls.h"
#include "base/result.h"

namespace bascule::net {

// Uses files.key, which is a token's, and files.certificate, which may be one. Errors: those of
// HardwareToken.
Status use_token(SSL_CTX& context, const TlsFiles& files);

}  // namespace bascule::net
