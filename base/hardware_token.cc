#include "base/hardware_token.h"

#include <openssl/engine.h>
#include <openssl/err.h>

// Engines are deprecated in favour of providers since OpenSSL 3.0; Debian 12 has no provider for PKCS#11.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

namespace bascule {
namespace {

struct FreeEngine {
  void operator()(ENGINE* engine) const { ENGINE_free(engine); }
};

const char* const kLook = "is the card in its reader? `pkcs11-tool --list-objects` shows what it holds";

tl::unexpected<Error> failed(ErrorCode code, std::string message) {
  ERR_clear_error();
  return failure(code, std::move(message));
}

}  // namespace

void HardwareToken::Finish::operator()(ENGINE* engine) const { ENGINE_finish(engine); }

bool is_token_uri(const std::string& name) { return name.starts_with("pkcs11:"); }

Result<HardwareToken> HardwareToken::open(const TokenAccess& access) {
  ENGINE_load_dynamic();
  const std::unique_ptr<ENGINE, FreeEngine> engine(ENGINE_by_id("pkcs11"));
  if (!engine)
    return failed(ErrorCode::unavailable,
                  "keys of smart cards need OpenSSL's engine pkcs11: Debian has it in the package "
                  "libengine-pkcs11-openssl");
  const std::string& module = access.module;
  if (!module.empty() && ENGINE_ctrl_cmd_string(engine.get(), "MODULE_PATH", module.c_str(), 0) != 1)
    return failed(ErrorCode::unavailable, "the PKCS#11 module " + module + " can't be used");
  if (ENGINE_init(engine.get()) != 1)
    return failed(ErrorCode::unavailable,
                  "the PKCS#11 module " + (module.empty() ? "of p11-kit" : module) + " can't be loaded");
  return HardwareToken(std::unique_ptr<ENGINE, Finish>(engine.get()), access.pin);
}

Result<openssl::Owned<X509>> HardwareToken::certificate(const std::string& uri) const {
  struct {
    const char* uri;
    X509* certificate;
  } wanted{uri.c_str(), nullptr};
  ENGINE_ctrl_cmd(engine_.get(), "LOAD_CERT_CTRL", 0, &wanted, nullptr, 0);
  ERR_clear_error();
  if (wanted.certificate != nullptr) return openssl::Owned<X509>(wanted.certificate);
  return failed(ErrorCode::not_found, "no certificate at " + uri + ": " + kLook);
}

Result<openssl::Owned<EVP_PKEY>> HardwareToken::key(const std::string& uri) const {
  const std::optional<Secret> pin = pin_();
  if (!pin) return failed(ErrorCode::denied, "without its PIN the card signs nothing");
  if (ENGINE_ctrl_cmd_string(engine_.get(), "PIN", pin->reveal().c_str(), 0) != 1)
    return failed(ErrorCode::denied, "the PIN can't be used");
  openssl::Owned<EVP_PKEY> key(ENGINE_load_private_key(engine_.get(), uri.c_str(), nullptr, nullptr));
  ERR_clear_error();
  if (key) return key;
  return failed(
      ErrorCode::denied,
      "no key at " + uri + " that opens with this PIN: cards lock after a few wrong ones; " + kLook);
}

}  // namespace bascule

#pragma GCC diagnostic pop
