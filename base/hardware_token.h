// Tokens: smart cards, or HSMs, by OpenSSL's engine "pkcs11" of libp11. What they hold has PKCS#11 URIs as
// names (RFC 7512).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/openssl.h"
#include "base/result.h"
#include "base/secret.h"

namespace bascule {

struct TokenAccess {
  std::string module;                          // a PKCS#11 library; empty: those that p11-kit knows
  std::function<std::optional<Secret>()> pin;  // asked when the token was found
};

bool is_token_uri(const std::string& name);  // by its scheme, "pkcs11:"

class HardwareToken {
 public:
  // `unavailable`: the engine, or the module.
  static Result<HardwareToken> open(const TokenAccess& access);

  // `not_found`.
  Result<openssl::Owned<X509>> certificate(const std::string& uri) const;
  // Asks for the PIN. `denied`: it, or there is no such key.
  Result<openssl::Owned<EVP_PKEY>> key(const std::string& uri) const;

 private:
  struct Finish {
    void operator()(ENGINE* engine) const;
  };
  HardwareToken(std::unique_ptr<ENGINE, Finish> engine, std::function<std::optional<Secret>()> pin)
      : engine_(std::move(engine)), pin_(std::move(pin)) {}

  std::unique_ptr<ENGINE, Finish> engine_;
  std::function<std::optional<Secret>()> pin_;
};

}  // namespace bascule
