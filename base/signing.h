// Keys and signatures: Ed25519 (RFC 8032), or ECDSA on P-256 with SHA-256 (FIPS 186-5), which is what smart
// cards have. Keys are PEM files: private ones PKCS #8, public ones SubjectPublicKeyInfo, as OpenSSL's
// commands make and read them. Signatures of both kinds are 64 bytes, as 128 hexadecimal digits; of ECDSA
// r and s, 32 bytes each.
#pragma once

#include <string>
#include <string_view>

#include "base/hardware_token.h"
#include "base/openssl.h"
#include "base/result.h"

namespace bascule {

class SigningKey {
 public:
  // `denied` when others than the owner may read it; `invalid` when it is no such key.
  static Result<SigningKey> load(const std::string& path);
  // Of a token, which must stay where it is. Errors: those of HardwareToken; `invalid` as above.
  static Result<SigningKey> load(const std::string& uri, const TokenAccess& access);
  // Makes a new one, Ed25519, in that file, mode 0600.
  static Result<SigningKey> make(const std::string& path);

  // `unavailable`: the token is gone. A key of a file signs always.
  Result<std::string> sign(std::string_view text) const;
  std::string public_pem() const;

 private:
  explicit SigningKey(openssl::Owned<EVP_PKEY> key) : key_(std::move(key)) {}
  static Result<SigningKey> take(openssl::Owned<EVP_PKEY> key, const std::string& name);
  openssl::Owned<EVP_PKEY> key_;
};

// As public_pem() would write it; `invalid` when it is no such key.
Result<std::string> read_public_key(const std::string& pem);

// `denied` when the signature isn't of this text by that key; `invalid` when that is no key.
Status check_signature(std::string_view text, std::string_view signature, const std::string& public_pem);

}  // namespace bascule
