#include "base/openssl.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>

#include <ctime>

namespace bascule::openssl {

void Free::operator()(ASN1_OBJECT* object) const { ASN1_OBJECT_free(object); }
void Free::operator()(BIGNUM* object) const { BN_free(object); }
void Free::operator()(BIO* object) const { BIO_free(object); }
void Free::operator()(ECDSA_SIG* object) const { ECDSA_SIG_free(object); }
void Free::operator()(EVP_MD_CTX* object) const { EVP_MD_CTX_free(object); }
void Free::operator()(EVP_PKEY* object) const { EVP_PKEY_free(object); }
void Free::operator()(X509* object) const { X509_free(object); }
void Free::operator()(X509_CRL* object) const { X509_CRL_free(object); }
void Free::operator()(X509_EXTENSION* object) const { X509_EXTENSION_free(object); }
void Free::operator()(X509_REQ* object) const { X509_REQ_free(object); }

Owned<BIO> reading(std::string_view text) {
  return Owned<BIO>(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

std::string written_to(BIO& memory) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(&memory, &data);
  return {data, static_cast<std::size_t>(size)};
}

int no_passphrase(char*, int, int, void*) { return -1; }

std::optional<WallTime> wall_time(const ASN1_TIME* time) {
  tm parts{};
  if (time == nullptr || ASN1_TIME_to_tm(time, &parts) != 1) return std::nullopt;
  return WallTime{static_cast<std::int64_t>(timegm(&parts)) * 1000};
}

std::string serial_of(const X509& certificate) {
  const Owned<BIGNUM> number(ASN1_INTEGER_to_BN(X509_get0_serialNumber(&certificate), nullptr));
  char* text = number ? BN_bn2hex(number.get()) : nullptr;
  const std::string serial = text == nullptr ? "" : text;
  OPENSSL_free(text);
  return serial;
}

}  // namespace bascule::openssl
