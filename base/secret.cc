#include "base/secret.h"

#include <openssl/crypto.h>
#include <sys/stat.h>

#include <fstream>
#include <sstream>

namespace bascule {
namespace {
constexpr std::string_view kSecretPrefix = "bst_";
constexpr std::string_view kSecretLetters =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
}  // namespace

Secret::~Secret() {
  if (!text_.empty()) OPENSSL_cleanse(text_.data(), text_.size());
}

Result<Secret> read_secret_file(const std::string& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0)
    return failure(ErrorCode::not_found, "secret file " + path + " can't be read; create it with mode 0600");
  if ((info.st_mode & 077) != 0)
    return failure(ErrorCode::denied,
                   "secret file " + path + " is readable by others; run: chmod 600 " + path);
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  if (!file) return failure(ErrorCode::not_found, "secret file " + path + " can't be read");
  std::string value = text.str();
  while (!value.empty() && (value.back() == '\n' || value.back() == '\r')) value.pop_back();
  return Secret(std::move(value));
}

Secret make_secret(Random& random) {
  std::string text(kSecretPrefix);
  std::uint32_t bits = 0;
  int held = 0;
  for (int i = 0; i < 4; ++i) {
    const std::uint64_t word = random.next();
    for (int byte = 0; byte < 8; ++byte) {
      bits = bits << 8 | (static_cast<std::uint32_t>(word >> (8 * byte)) & 0xff);
      for (held += 8; held >= 6; held -= 6) text += kSecretLetters[bits >> (held - 6) & 63];
    }
  }
  text += kSecretLetters[bits << (6 - held) & 63];
  return Secret(std::move(text));
}

bool is_secret(std::string_view text) {
  return text.size() == kSecretPrefix.size() + 43 && text.starts_with(kSecretPrefix) &&
         text.substr(kSecretPrefix.size()).find_first_not_of(kSecretLetters) == std::string_view::npos;
}

bool constant_time_equal(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace bascule
