// SHA-256 (FIPS 180-4), as 64 hexadecimal digits.
#pragma once

#include <string>
#include <string_view>

#include "base/openssl.h"

namespace bascule {

std::string sha256_hex(std::string_view text);

// Of what comes in pieces.
class Sha256 {
 public:
  Sha256();
  void add(std::string_view piece);
  std::string hex();  // of all that was added; the last call

 private:
  openssl::Owned<EVP_MD_CTX> context_;
};

}  // namespace bascule
