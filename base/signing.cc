#include "base/signing.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <array>
#include <optional>

#include "base/durable_file.h"
#include "base/ensure.h"
#include "base/openssl.h"
#include "base/secret.h"

namespace bascule {
namespace {

using openssl::Owned;

constexpr std::size_t kSignatureBytes = 64;
constexpr int kNumberBytes = 32;  // of r, and of s
using SignatureBytes = std::array<unsigned char, kSignatureBytes>;

enum class KeyKind { other, ed25519, p256 };

KeyKind kind_of(const EVP_PKEY* key) {
  if (key == nullptr) return KeyKind::other;
  if (EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519) return KeyKind::ed25519;
  std::array<char, 64> curve{};
  if (EVP_PKEY_get_base_id(key) != EVP_PKEY_EC ||
      EVP_PKEY_get_group_name(key, curve.data(), curve.size(), nullptr) != 1)
    return KeyKind::other;
  return OBJ_txt2nid(curve.data()) == NID_X9_62_prime256v1 ? KeyKind::p256 : KeyKind::other;
}

// Ed25519 digests by itself.
const EVP_MD* digest_for(KeyKind kind) { return kind == KeyKind::p256 ? EVP_sha256() : nullptr; }

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

std::optional<unsigned char> digit(char c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned char>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<unsigned char>(c - 'a' + 10);
  return std::nullopt;
}

std::optional<SignatureBytes> signature_bytes(std::string_view hex) {
  SignatureBytes bytes{};
  if (hex.size() != 2 * kSignatureBytes) return std::nullopt;
  for (std::size_t i = 0; i < kSignatureBytes; ++i) {
    const auto high = digit(hex[2 * i]);
    const auto low = digit(hex[2 * i + 1]);
    if (!high || !low) return std::nullopt;
    bytes[i] = static_cast<unsigned char>(*high << 4 | *low);
  }
  return bytes;
}

std::string hex_of(const SignatureBytes& bytes) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string hex;
  for (const unsigned char byte : bytes) {
    hex += kHex[byte >> 4];
    hex += kHex[byte & 15];
  }
  return hex;
}

// What OpenSSL has as ASN.1, and we as two numbers.
std::optional<SignatureBytes> numbers_of(const std::string& der) {
  const unsigned char* at = bytes_of(der);
  const Owned<ECDSA_SIG> pair(d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size())));
  SignatureBytes bytes{};
  if (!pair || BN_bn2binpad(ECDSA_SIG_get0_r(pair.get()), bytes.data(), kNumberBytes) != kNumberBytes ||
      BN_bn2binpad(ECDSA_SIG_get0_s(pair.get()), bytes.data() + kNumberBytes, kNumberBytes) != kNumberBytes)
    return std::nullopt;
  return bytes;
}

std::string der_of(const SignatureBytes& bytes) {
  const Owned<ECDSA_SIG> pair(ECDSA_SIG_new());
  BIGNUM* r = BN_bin2bn(bytes.data(), kNumberBytes, nullptr);
  BIGNUM* s = BN_bin2bn(bytes.data() + kNumberBytes, kNumberBytes, nullptr);
  ensure(pair && r != nullptr && s != nullptr && ECDSA_SIG_set0(pair.get(), r, s) == 1, "memory");
  unsigned char* text = nullptr;
  const int size = i2d_ECDSA_SIG(pair.get(), &text);
  ensure(size > 0, "OpenSSL writes what it made");
  std::string der(reinterpret_cast<const char*>(text), static_cast<std::size_t>(size));
  OPENSSL_free(text);
  return der;
}

std::string pem_of(EVP_PKEY& key) {
  const Owned<BIO> memory(BIO_new(BIO_s_mem()));
  ensure(PEM_write_bio_PUBKEY(memory.get(), &key) == 1, "OpenSSL writes public keys");
  return openssl::written_to(*memory);
}

Owned<EVP_PKEY> public_key_of(const std::string& pem) {
  const auto text = openssl::reading(pem);
  Owned<EVP_PKEY> key(PEM_read_bio_PUBKEY(text.get(), nullptr, openssl::no_passphrase, nullptr));
  ERR_clear_error();
  return kind_of(key.get()) == KeyKind::other ? nullptr : std::move(key);
}

tl::unexpected<Error> no_public_key() {
  return failure(ErrorCode::invalid, "that is no public key of Ed25519 or P-256, in PEM");
}

}  // namespace

Result<SigningKey> SigningKey::take(Owned<EVP_PKEY> key, const std::string& name) {
  ERR_clear_error();
  if (kind_of(key.get()) != KeyKind::other) return SigningKey(std::move(key));
  return failure(ErrorCode::invalid, name + " holds no private key of Ed25519 or P-256");
}

Result<SigningKey> SigningKey::load(const std::string& path) {
  const Result<Secret> pem = read_secret_file(path);
  if (!pem) return failure(pem.error());
  const auto text = openssl::reading(pem->reveal());
  Owned<EVP_PKEY> key(PEM_read_bio_PrivateKey(text.get(), nullptr, openssl::no_passphrase, nullptr));
  return take(std::move(key), path);
}

Result<SigningKey> SigningKey::load(const std::string& uri, const TokenAccess& access) {
  const Result<HardwareToken> token = HardwareToken::open(access);
  if (!token) return failure(token.error());
  auto key = token->key(uri);
  return key ? take(*std::move(key), uri) : failure(key.error());
}

Result<SigningKey> SigningKey::make(const std::string& path) {
  SigningKey made(Owned<EVP_PKEY>(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")));
  const Owned<BIO> memory(BIO_new(BIO_s_secmem()));
  const int written =
      PEM_write_bio_PKCS8PrivateKey(memory.get(), made.key_.get(), nullptr, nullptr, 0, nullptr, nullptr);
  ensure(made.key_ && written == 1, "OpenSSL makes Ed25519 keys");
  const Secret pem(openssl::written_to(*memory));
  if (const Status kept = write_durably(path, pem.reveal()); !kept) return failure(kept.error());
  return made;
}

Result<std::string> SigningKey::sign(std::string_view text) const {
  const KeyKind kind = kind_of(key_.get());
  std::string signature(static_cast<std::size_t>(EVP_PKEY_get_size(key_.get())), '\0');
  std::size_t size = signature.size();
  const Owned<EVP_MD_CTX> context(EVP_MD_CTX_new());
  const bool done = EVP_DigestSignInit(context.get(), nullptr, digest_for(kind), nullptr, key_.get()) == 1 &&
                    EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
                                   bytes_of(text), text.size()) == 1;
  ERR_clear_error();
  if (!done) return failure(ErrorCode::unavailable, "the key signs no more: is the card in its reader?");
  signature.resize(size);
  if (kind == KeyKind::p256) {
    const auto numbers = numbers_of(signature);
    if (!numbers) return failure(ErrorCode::internal, "the card made no ECDSA signature on P-256");
    return hex_of(*numbers);
  }
  ensure(size == kSignatureBytes, "OpenSSL signs with Ed25519");
  SignatureBytes bytes{};
  signature.copy(reinterpret_cast<char*>(bytes.data()), bytes.size());
  return hex_of(bytes);
}

std::string SigningKey::public_pem() const { return pem_of(*key_); }

Result<std::string> read_public_key(const std::string& pem) {
  const Owned<EVP_PKEY> key = public_key_of(pem);
  return key ? Result<std::string>(pem_of(*key)) : no_public_key();
}

Status check_signature(std::string_view text, std::string_view signature, const std::string& public_pem) {
  const Owned<EVP_PKEY> key = public_key_of(public_pem);
  if (!key) return no_public_key();
  const KeyKind kind = kind_of(key.get());
  const auto bytes = signature_bytes(signature);
  if (!bytes) return failure(ErrorCode::denied, "that is no signature");
  const std::string given = kind == KeyKind::p256
                                ? der_of(*bytes)
                                : std::string(reinterpret_cast<const char*>(bytes->data()), bytes->size());
  const Owned<EVP_MD_CTX> context(EVP_MD_CTX_new());
  const bool good =
      EVP_DigestVerifyInit(context.get(), nullptr, digest_for(kind), nullptr, key.get()) == 1 &&
      EVP_DigestVerify(context.get(), bytes_of(given), given.size(), bytes_of(text), text.size()) == 1;
  ERR_clear_error();
  return good ? Status() : failure(ErrorCode::denied, "the signature is not of this text by that key");
}

}  // namespace bascule
