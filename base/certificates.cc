#include "base/certificates.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>

#include "base/durable_file.h"
#include "base/ensure.h"
#include "base/openssl.h"
#include "base/sha256.h"

namespace bascule {
namespace {

constexpr std::size_t kLargestFile = 64 * 1024;
constexpr std::size_t kLargestRequest = 16 * 1024;
constexpr int kLeastBits = 128;         // of security: P-256, RSA of 3072
constexpr long kMostBackdated_s = 300;  // clocks differ

using Certificate = openssl::Owned<X509>;

Certificate parse_certificate(const std::string& pem) {
  Certificate certificate(
      PEM_read_bio_X509(openssl::reading(pem).get(), nullptr, openssl::no_passphrase, nullptr));
  ERR_clear_error();
  return certificate;
}

void set_subject(X509_NAME* subject, const std::string& name, const std::string& role) {
  const auto add = [subject](const char* field, const std::string& value) {
    const auto* bytes = reinterpret_cast<const unsigned char*>(value.data());
    return X509_NAME_add_entry_by_txt(subject, field, MBSTRING_UTF8, bytes, static_cast<int>(value.size()),
                                      -1, 0);
  };
  const bool set = (role.empty() || add("OU", role) == 1) && add("CN", name) == 1;
  ensure(set, "a subject is made of valid names");
}

bool set_random_serial(X509& certificate) {
  std::array<unsigned char, 16> bytes{};
  if (RAND_bytes(bytes.data(), bytes.size()) != 1) return false;
  bytes[0] &= 0x7f;  // positive
  const openssl::Owned<BIGNUM> number(BN_bin2bn(bytes.data(), bytes.size(), nullptr));
  return number && BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(&certificate)) != nullptr;
}

bool add_extension(X509& certificate, X509& issuer, int kind, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, &issuer, &certificate, nullptr, nullptr, 0);
  const openssl::Owned<X509_EXTENSION> extension(X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str()));
  return extension && X509_add_ext(&certificate, extension.get(), -1) == 1;
}

class LoadedAuthority final : public Authority {
 public:
  LoadedAuthority(std::string pem, Certificate certificate, openssl::Owned<EVP_PKEY> key)
      : pem_(std::move(pem)), certificate_(std::move(certificate)), key_(std::move(key)) {}

  const std::string& certificate() const override { return pem_; }

  Result<std::string> issue(const std::string& text, const std::string& name, const std::string& role,
                            Duration validity) const override {
    if (text.size() > kLargestRequest)
      return failure(ErrorCode::invalid, "a request for a certificate is too long");
    const openssl::Owned<X509_REQ> request(
        PEM_read_bio_X509_REQ(openssl::reading(text).get(), nullptr, openssl::no_passphrase, nullptr));
    EVP_PKEY* key = request ? X509_REQ_get0_pubkey(request.get()) : nullptr;
    const bool holds = key != nullptr && X509_REQ_verify(request.get(), key) == 1;
    ERR_clear_error();
    if (!holds) return failure(ErrorCode::invalid, "no request for a certificate, signed by its key");
    if (EVP_PKEY_get_security_bits(key) < kLeastBits)
      return failure(ErrorCode::invalid, "the key of a request is weak: P-256 at least, or RSA of 3072 bits");
    return sign(*key, name, role, validity);
  }

 private:
  Result<std::string> sign(EVP_PKEY& key, const std::string& name, const std::string& role,
                           Duration validity) const {
    const Certificate made(X509_new());
    if (!made) return failure(ErrorCode::exhausted, "out of memory");
    X509& certificate = *made;
    set_subject(X509_get_subject_name(&certificate), name, role);
    const long seconds = std::chrono::duration_cast<std::chrono::seconds>(validity).count();
    const long backdated = std::min(kMostBackdated_s, seconds / 10);
    const bool filled =
        X509_set_version(&certificate, X509_VERSION_3) == 1 && set_random_serial(certificate) &&
        X509_set_issuer_name(&certificate, X509_get_subject_name(certificate_.get())) == 1 &&
        X509_gmtime_adj(X509_getm_notBefore(&certificate), -backdated) != nullptr &&
        X509_gmtime_adj(X509_getm_notAfter(&certificate), seconds) != nullptr &&
        X509_set_pubkey(&certificate, &key) == 1 &&
        add_extension(certificate, *certificate_, NID_basic_constraints, "critical,CA:FALSE") &&
        add_extension(certificate, *certificate_, NID_key_usage, "critical,digitalSignature") &&
        add_extension(certificate, *certificate_, NID_ext_key_usage, "clientAuth") &&
        add_extension(certificate, *certificate_, NID_subject_alt_name, "DNS:" + name) &&
        add_extension(certificate, *certificate_, NID_authority_key_identifier, "keyid");
    // Ed25519 digests by itself.
    const EVP_MD* digest = EVP_PKEY_is_a(key_.get(), "ED25519") == 1 ? nullptr : EVP_sha256();
    const openssl::Owned<BIO> output(BIO_new(BIO_s_mem()));
    const bool signed_and_written = filled && X509_sign(&certificate, key_.get(), digest) > 0 && output &&
                                    PEM_write_bio_X509(output.get(), &certificate) == 1;
    ERR_clear_error();
    if (!signed_and_written) return failure(ErrorCode::internal, "OpenSSL could not make a certificate");
    return openssl::written_to(*output);
  }

  const std::string pem_;
  const Certificate certificate_;
  const openssl::Owned<EVP_PKEY> key_;
};

}  // namespace

KeyAndRequest make_key_and_request(const std::string& name) {
  const openssl::Owned<EVP_PKEY> key(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"));
  const openssl::Owned<X509_REQ> request(X509_REQ_new());
  const openssl::Owned<BIO> key_text(BIO_new(BIO_s_secmem()));
  const openssl::Owned<BIO> request_text(BIO_new(BIO_s_mem()));
  ensure(key && request && key_text && request_text, "OpenSSL makes P-256 keys");
  set_subject(X509_REQ_get_subject_name(request.get()), name, "");
  const bool made =
      X509_REQ_set_pubkey(request.get(), key.get()) == 1 &&
      X509_REQ_sign(request.get(), key.get(), EVP_sha256()) > 0 &&
      PEM_write_bio_X509_REQ(request_text.get(), request.get()) == 1 &&
      PEM_write_bio_PKCS8PrivateKey(key_text.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1;
  ensure(made, "OpenSSL makes requests");
  return {Secret(openssl::written_to(*key_text)), openssl::written_to(*request_text)};
}

Result<CertificateFacts> read_certificate(const std::string& pem) {
  const Certificate certificate = parse_certificate(pem);
  if (!certificate) return failure(ErrorCode::invalid, "no certificate in PEM");
  unsigned char* der = nullptr;
  const int size = i2d_X509(certificate.get(), &der);
  if (size <= 0) return failure(ErrorCode::invalid, "a certificate that can't be written as DER");
  const std::string bytes(reinterpret_cast<const char*>(der), static_cast<std::size_t>(size));
  OPENSSL_free(der);
  return CertificateFacts{openssl::wall_time(X509_get0_notBefore(certificate.get())).value_or(WallTime()),
                          openssl::wall_time(X509_get0_notAfter(certificate.get())).value_or(WallTime()),
                          openssl::serial_of(*certificate), sha256_hex(bytes)};
}

Result<std::unique_ptr<Authority>> Authority::load(const std::string& certificate_file,
                                                   const std::string& key_file) {
  auto pem = read_whole(certificate_file, kLargestFile);
  if (!pem) return failure(pem.error());
  Certificate certificate = parse_certificate(*pem);
  if (!certificate) return failure(ErrorCode::invalid, certificate_file + " holds no certificate in PEM");
  const auto key_text = read_secret_file(key_file);
  if (!key_text) return failure(key_text.error());
  openssl::Owned<EVP_PKEY> key(PEM_read_bio_PrivateKey(openssl::reading(key_text->reveal()).get(), nullptr,
                                                       openssl::no_passphrase, nullptr));
  const bool belongs = key && X509_check_private_key(certificate.get(), key.get()) == 1;
  ERR_clear_error();
  if (!belongs)
    return failure(ErrorCode::invalid, key_file + " holds no key of the certificate " + certificate_file);
  return std::make_unique<LoadedAuthority>(*std::move(pem), std::move(certificate), std::move(key));
}

}  // namespace bascule
