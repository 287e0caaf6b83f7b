#include "api/password.h"

#include <argon2.h>

#include <array>
#include <cstring>
#include <set>

namespace bascule::api {
namespace {

constexpr std::uint32_t kPasses = 3;
constexpr std::uint32_t kMemory_KiB = 64 * 1024;
constexpr std::uint32_t kLanes = 1;
constexpr std::size_t kSaltBytes = 16;
constexpr std::size_t kHashBytes = 32;
constexpr std::size_t kLeastLetters = 5;

template <std::size_t N>
std::array<unsigned char, N> random_bytes(Random& random) {
  static_assert(N % sizeof(std::uint64_t) == 0);
  std::array<unsigned char, N> bytes;
  for (std::size_t i = 0; i < N; i += sizeof(std::uint64_t)) {
    const std::uint64_t word = random.next();
    std::memcpy(bytes.data() + i, &word, sizeof word);
  }
  return bytes;
}

}  // namespace

std::string problem_of_password(const std::string& password, std::size_t least_bytes) {
  if (password.size() < least_bytes) return "must have at least " + std::to_string(least_bytes) + " bytes";
  if (password.size() > kLongestPassword) return "must have at most 1024 bytes";
  const std::set<char> letters(password.begin(), password.end());
  if (letters.size() < kLeastLetters) return "must have at least five different letters";
  return "";
}

Result<std::string> hash_password(const Secret& password, Random& random) {
  const std::string& text = password.reveal();
  if (text.empty() || text.size() > kLongestPassword)
    return failure(ErrorCode::invalid, "a password has 1 to 1024 bytes");
  const auto salt = random_bytes<kSaltBytes>(random);
  std::string encoded(argon2_encodedlen(kPasses, kMemory_KiB, kLanes, kSaltBytes, kHashBytes, Argon2_id),
                      '\0');
  const int code = argon2id_hash_encoded(kPasses, kMemory_KiB, kLanes, text.data(), text.size(), salt.data(),
                                         salt.size(), kHashBytes, encoded.data(), encoded.size());
  if (code != ARGON2_OK)
    return failure(ErrorCode::exhausted, std::string("Argon2id: ") + argon2_error_message(code));
  encoded.resize(std::strlen(encoded.c_str()));
  return encoded;
}

bool is_password(const Secret& password, const std::string& hash) {
  const std::string& text = password.reveal();
  if (text.size() > kLongestPassword) return false;
  return argon2id_verify(hash.c_str(), text.data(), text.size()) == ARGON2_OK;
}

const std::string& hash_of_nobody() {
  static const std::string hash = [] {
    SystemRandom random;
    const Result<std::string> made = hash_password(make_secret(random), random);
    return made ? *made : std::string();
  }();
  return hash;
}

}  // namespace bascule::api
