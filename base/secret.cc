#include "base/secret.h"

#include <openssl/crypto.h>
#include <sys/stat.h>

#include <fstream>
#include <sstream>

namespace bascule {

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

bool constant_time_equal(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace bascule
