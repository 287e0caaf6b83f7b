#include "api/second_factor.h"

#include <liboath/oath.h>

#include <array>
#include <cstdlib>
#include <memory>

#include "base/secret.h"

namespace bascule::api {
namespace {

constexpr std::uint64_t kStep_s = 30;
constexpr unsigned kDigits = 6;
constexpr std::size_t kLeastBytes = 20;
constexpr std::size_t kLongestSecret = 128;
constexpr std::string_view kBase32 = "abcdefghijklmnopqrstuvwxyz234567";

using Memory = std::unique_ptr<char, decltype(&std::free)>;

// The decoded secret; empty when it is no base32.
std::string bytes_of(const std::string& secret) {
  if (secret.size() > kLongestSecret) return "";
  char* decoded = nullptr;
  std::size_t size = 0;
  if (oath_base32_decode(secret.data(), secret.size(), &decoded, &size) != OATH_OK) return "";
  const Memory memory(decoded, &std::free);
  return std::string(decoded, size);
}

std::string base32_letters(Random& random, std::size_t count) {
  std::string text;
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (i % 12 == 0) bits = random.next();  // 60 bits of each word
    text += kBase32[bits & 31];
    bits >>= 5;
  }
  return text;
}

}  // namespace

std::string make_second_factor(Random& random) {
  std::string secret = base32_letters(random, kLeastBytes * 8 / 5);
  for (char& letter : secret)
    if (letter >= 'a' && letter <= 'z') letter = static_cast<char>(letter - 'a' + 'A');
  return secret;
}

std::string uri_of_second_factor(const std::string& secret, const std::string& user) {
  return "otpauth://totp/Bascule:" + user + "?secret=" + secret + "&issuer=Bascule";
}

bool is_second_factor(const std::string& secret) { return bytes_of(secret).size() >= kLeastBytes; }

std::string code_of_step(const std::string& secret, std::uint64_t step) {
  const std::string bytes = bytes_of(secret);
  std::array<char, kDigits + 1> code{};
  const auto time = static_cast<time_t>(step * kStep_s);
  const int made = oath_totp_generate(bytes.data(), bytes.size(), time, kStep_s, 0, kDigits, code.data());
  return made == OATH_OK && !bytes.empty() ? code.data() : "";
}

std::uint64_t step_at(WallTime now) { return static_cast<std::uint64_t>(now.unix_ms) / 1000 / kStep_s; }

std::optional<std::uint64_t> step_of_code(const std::string& secret, const std::string& code, WallTime now) {
  if (code.size() != kDigits || now.unix_ms < 0) return std::nullopt;
  std::optional<std::uint64_t> found;
  for (const std::uint64_t step : {step_at(now) - 1, step_at(now), step_at(now) + 1})
    if (constant_time_equal(code, code_of_step(secret, step))) found = step;
  return found;
}

std::vector<std::string> make_recovery_codes(Random& random) {
  constexpr std::size_t kCodes = 10;
  std::vector<std::string> codes;
  for (std::size_t i = 0; i < kCodes; ++i)
    codes.push_back(base32_letters(random, 13) + "-" + base32_letters(random, 13));
  return codes;
}

}  // namespace bascule::api
