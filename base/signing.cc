#include "base/signing.h"

#include <openssl/evp.h>
#include <openssl/pem.h>

#include <array>
#include <optional>

#include "base/durable_file.h"
#include "base/ensure.h"
#include "base/secret.h"

namespace bascule {
namespace {

constexpr std::size_t kSignatureBytes = 64;

struct FreeKey {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
using Key = std::unique_ptr<EVP_PKEY, FreeKey>;
struct FreeBio {
  void operator()(BIO* bio) const { BIO_free(bio); }
};
using Bio = std::unique_ptr<BIO, FreeBio>;
struct FreeDigest {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
using Digest = std::unique_ptr<EVP_MD_CTX, FreeDigest>;

Bio reading(std::string_view text) {
  return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

std::string text_of(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return std::string(data, static_cast<std::size_t>(size));
}

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

EVP_PKEY* as_key(void* key) { return static_cast<EVP_PKEY*>(key); }

std::optional<unsigned char> digit(char c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned char>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<unsigned char>(c - 'a' + 10);
  return std::nullopt;
}

std::optional<std::array<unsigned char, kSignatureBytes>> signature_bytes(std::string_view hex) {
  std::array<unsigned char, kSignatureBytes> bytes{};
  if (hex.size() != 2 * kSignatureBytes) return std::nullopt;
  for (std::size_t i = 0; i < kSignatureBytes; ++i) {
    const auto high = digit(hex[2 * i]);
    const auto low = digit(hex[2 * i + 1]);
    if (!high || !low) return std::nullopt;
    bytes[i] = static_cast<unsigned char>(*high << 4 | *low);
  }
  return bytes;
}

}  // namespace

void SigningKey::Free::operator()(void* key) const { EVP_PKEY_free(as_key(key)); }

Result<SigningKey> SigningKey::load(const std::string& path) {
  const Result<Secret> pem = read_secret_file(path);
  if (!pem) return failure(pem.error());
  const Bio bio = reading(pem->reveal());
  Key key(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
  if (!key || EVP_PKEY_id(key.get()) != EVP_PKEY_ED25519)
    return failure(ErrorCode::invalid, path + " holds no Ed25519 key");
  return SigningKey(key.release());
}

Result<SigningKey> SigningKey::make(const std::string& path) {
  SigningKey made(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  const Bio bio(BIO_new(BIO_s_secmem()));
  const int written = PEM_write_bio_PKCS8PrivateKey(bio.get(), as_key(made.key_.get()), nullptr, nullptr, 0,
                                                    nullptr, nullptr);
  ensure(made.key_ && written == 1, "OpenSSL makes Ed25519 keys");
  const Secret pem(text_of(bio.get()));
  if (const Status kept = write_durably(path, pem.reveal()); !kept) return failure(kept.error());
  return made;
}

std::string SigningKey::sign(std::string_view text) const {
  std::array<unsigned char, kSignatureBytes> signature{};
  std::size_t size = signature.size();
  const Digest context(EVP_MD_CTX_new());
  const bool done = EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, as_key(key_.get())) == 1 &&
                    EVP_DigestSign(context.get(), signature.data(), &size, bytes_of(text), text.size()) == 1;
  ensure(done && size == kSignatureBytes, "OpenSSL signs with Ed25519");
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string hex;
  for (const unsigned char byte : signature) {
    hex += kHex[byte >> 4];
    hex += kHex[byte & 15];
  }
  return hex;
}

std::string SigningKey::public_pem() const {
  const Bio bio(BIO_new(BIO_s_mem()));
  ensure(PEM_write_bio_PUBKEY(bio.get(), as_key(key_.get())) == 1, "OpenSSL writes public keys");
  return text_of(bio.get());
}

Status check_signature(std::string_view text, std::string_view signature, const std::string& public_pem) {
  const Bio bio = reading(public_pem);
  const Key key(PEM_read_bio_PUBKEY(bio.get(), nullptr, nullptr, nullptr));
  if (!key || EVP_PKEY_id(key.get()) != EVP_PKEY_ED25519)
    return failure(ErrorCode::invalid, "that is no public Ed25519 key in PEM");
  const auto bytes = signature_bytes(signature);
  if (!bytes) return failure(ErrorCode::denied, "that is no signature");
  const Digest context(EVP_MD_CTX_new());
  const bool good =
      EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key.get()) == 1 &&
      EVP_DigestVerify(context.get(), bytes->data(), bytes->size(), bytes_of(text), text.size()) == 1;
  return good ? Status() : failure(ErrorCode::denied, "the signature is not of this text by that key");
}

}  // namespace bascule
