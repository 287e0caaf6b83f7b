// Ed25519 keys and signatures (RFC 8032). Keys are PEM files: private ones PKCS #8, public ones
// SubjectPublicKeyInfo, as OpenSSL's commands make and read them. Signatures are 128 hexadecimal digits.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace bascule {

class SigningKey {
 public:
  // `denied` when others than the owner may read it; `invalid` when it is no Ed25519 key.
  static Result<SigningKey> load(const std::string& path);
  // Makes a new key in that file, mode 0600.
  static Result<SigningKey> make(const std::string& path);

  std::string sign(std::string_view text) const;
  std::string public_pem() const;

 private:
  struct Free {
    void operator()(void* key) const;
  };
  explicit SigningKey(void* key) : key_(key) {}
  std::unique_ptr<void, Free> key_;  // OpenSSL's EVP_PKEY
};

// `denied` when the signature isn't of this text by that key.
Status check_signature(std::string_view text, std::string_view signature, const std::string& public_pem);

}  // namespace bascule
