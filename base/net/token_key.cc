#include "base/net/token_key.h"

#include <openssl/engine.h>
#include <openssl/err.h>

// Engines are deprecated in favour of providers since OpenSSL 3.0; Debian 12 has no provider for PKCS#11.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

namespace bascule::net {
namespace {

struct FreeEngine {
  void operator()(ENGINE* engine) const { ENGINE_free(engine); }
};
struct FinishEngine {
  void operator()(ENGINE* engine) const { ENGINE_finish(engine); }
};
using ReadyEngine = std::unique_ptr<ENGINE, FinishEngine>;

struct FreeCertificate {
  void operator()(X509* certificate) const { X509_free(certificate); }
};
struct FreeKey {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};

const char* const kLook = "is the card in its reader? `pkcs11-tool --list-objects` shows what it holds";

Result<ReadyEngine> open_engine(const TokenAccess& access) {
  ENGINE_load_dynamic();
  const std::unique_ptr<ENGINE, FreeEngine> engine(ENGINE_by_id("pkcs11"));
  if (!engine)
    return failure(ErrorCode::unavailable,
                   "keys of smart cards need OpenSSL's engine pkcs11: Debian has it in the package "
                   "libengine-pkcs11-openssl");
  const std::string& module = access.module;
  if (!module.empty() && ENGINE_ctrl_cmd_string(engine.get(), "MODULE_PATH", module.c_str(), 0) != 1)
    return failure(ErrorCode::unavailable, "the PKCS#11 module " + module + " can't be used");
  if (ENGINE_init(engine.get()) != 1)
    return failure(ErrorCode::unavailable,
                   "the PKCS#11 module " + (module.empty() ? "of p11-kit" : module) + " can't be loaded");
  return ReadyEngine(engine.get());
}

Status use_certificate(SSL_CTX& context, ENGINE& engine, const std::string& uri) {
  if (!is_token_uri(uri)) {
    if (SSL_CTX_use_certificate_chain_file(&context, uri.c_str()) == 1) return {};
    return failure(ErrorCode::invalid, "certificate file " + uri + " can't be used");
  }
  struct {
    const char* uri;
    X509* certificate;
  } wanted{uri.c_str(), nullptr};
  ENGINE_ctrl_cmd(&engine, "LOAD_CERT_CTRL", 0, &wanted, nullptr, 0);
  const std::unique_ptr<X509, FreeCertificate> certificate(wanted.certificate);
  if (!certificate) return failure(ErrorCode::not_found, "no certificate at " + uri + ": " + kLook);
  if (SSL_CTX_use_certificate(&context, certificate.get()) != 1)
    return failure(ErrorCode::invalid, "the certificate at " + uri + " can't be used");
  return {};
}

Status use_key(SSL_CTX& context, ENGINE& engine, const TlsFiles& files) {
  const std::optional<Secret> pin = files.token->pin();
  if (!pin) return failure(ErrorCode::denied, "without its PIN the card signs nothing");
  if (ENGINE_ctrl_cmd_string(&engine, "PIN", pin->reveal().c_str(), 0) != 1)
    return failure(ErrorCode::denied, "the PIN can't be used");
  const std::unique_ptr<EVP_PKEY, FreeKey> key(
      ENGINE_load_private_key(&engine, files.key.c_str(), nullptr, nullptr));
  if (!key)
    return failure(
        ErrorCode::denied,
        "no key at " + files.key + " that opens with this PIN: cards lock after a few wrong ones; " + kLook);
  if (SSL_CTX_use_PrivateKey(&context, key.get()) != 1)
    return failure(ErrorCode::invalid,
                   "the key at " + files.key + " doesn't belong to the certificate " + files.certificate);
  return {};
}

}  // namespace

bool is_token_uri(const std::string& name) { return name.starts_with("pkcs11:"); }

Status use_token(SSL_CTX& context, const TlsFiles& files) {
  if (!files.token) return failure(ErrorCode::invalid, "a key in a token can't be used here: " + files.key);
  const auto engine = open_engine(*files.token);
  Status used = engine ? use_certificate(context, **engine, files.certificate) : failure(engine.error());
  if (used) used = use_key(context, **engine, files);
  ERR_clear_error();
  return used;
}

}  // namespace bascule::net

#pragma GCC diagnostic pop
