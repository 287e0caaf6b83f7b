#include "base/net/token_key.h"

#include <openssl/err.h>

namespace bascule::net {
namespace {

Status use_certificate(SSL_CTX& context, const HardwareToken& token, const std::string& name) {
  if (!is_token_uri(name)) {
    if (SSL_CTX_use_certificate_chain_file(&context, name.c_str()) == 1) return {};
    return failure(ErrorCode::invalid, "certificate file " + name + " can't be used");
  }
  const auto certificate = token.certificate(name);
  if (!certificate) return failure(certificate.error());
  if (SSL_CTX_use_certificate(&context, certificate->get()) == 1) return {};
  return failure(ErrorCode::invalid, "the certificate at " + name + " can't be used");
}

Status use_key(SSL_CTX& context, const HardwareToken& token, const TlsFiles& files) {
  const auto key = token.key(files.key);
  if (!key) return failure(key.error());
  if (SSL_CTX_use_PrivateKey(&context, key->get()) == 1) return {};
  return failure(ErrorCode::invalid,
                 "the key at " + files.key + " doesn't belong to the certificate " + files.certificate);
}

}  // namespace

Status use_token(SSL_CTX& context, const TlsFiles& files) {
  if (!files.token) return failure(ErrorCode::invalid, "a key in a token can't be used here: " + files.key);
  const Result<HardwareToken> token = HardwareToken::open(*files.token);
  if (!token) return failure(token.error());
  Status used = use_certificate(context, *token, files.certificate);
  if (used) used = use_key(context, *token, files);
  ERR_clear_error();
  return used;
}

}  // namespace bascule::net
