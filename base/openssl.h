// OpenSSL's objects with an owner, and its texts. For .cc files.
#pragma once

#include <openssl/types.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"

struct ECDSA_SIG_st;
struct X509_extension_st;
struct X509_req_st;

namespace bascule::openssl {

struct Free {
  void operator()(ASN1_OBJECT* object) const;
  void operator()(BIGNUM* object) const;
  void operator()(BIO* object) const;
  void operator()(ECDSA_SIG_st* object) const;
  void operator()(EVP_MD_CTX* object) const;
  void operator()(EVP_PKEY* object) const;
  void operator()(X509* object) const;
  void operator()(X509_CRL* object) const;
  void operator()(X509_extension_st* object) const;
  void operator()(X509_req_st* object) const;
};
template <class T>
using Owned = std::unique_ptr<T, Free>;

Owned<BIO> reading(std::string_view text);  // which must outlive it
std::string written_to(BIO& memory);

// For text that is encrypted: nobody is asked.
int no_passphrase(char*, int, int, void*);

std::optional<WallTime> wall_time(const ASN1_TIME* time);  // nothing: none, or no time

std::string serial_of(const X509& certificate);  // hexadecimal, capital letters; empty: none

}  // namespace bascule::openssl
