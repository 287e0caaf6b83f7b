#include "base/custody.h"

#include <algorithm>
#include <cctype>

#include "base/json.h"
#include "base/signing.h"

namespace bascule {

std::string signed_text(const Pin& pin) {
  Pin bare = pin;
  bare.signature.clear();
  return "bascule pin 1\n" + json::encode_text(bare);
}

std::string signed_text(const Grant& grant) {
  Grant bare = grant;
  bare.signature.clear();
  return "bascule grant 1\n" + json::encode_text(bare);
}

std::string signed_text(const BrokenGlass& glass) {
  BrokenGlass bare = glass;
  bare.signatures.clear();
  return "bascule broken glass 1\n" + json::encode_text(bare);
}

bool is_nonce(const std::string& text) {
  return text.size() >= 16 && text.size() <= 64 &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isalnum(c) != 0; });
}

Status check_signers(const BrokenGlass& glass, const std::vector<std::string>& keys) {
  constexpr std::size_t kLongestReason = 500;
  const auto refuse = [](std::string words) { return failure(ErrorCode::denied, std::move(words)); };
  if (keys.empty()) return refuse("nobody can break the glass: no break_glass is configured");
  if (glass.signatures.size() != 2 || glass.signatures[0].key == glass.signatures[1].key)
    return refuse("it takes the signatures of two different keys to break the glass");
  const std::string text = signed_text(glass);
  for (const GlassSignature& one : glass.signatures) {
    if (std::find(keys.begin(), keys.end(), one.key) == keys.end())
      return refuse("a key that signed isn't among those of break_glass");
    if (!check_signature(text, one.signature, one.key))
      return refuse("what two different keys have signed is another text");
  }
  const bool one_line = std::all_of(glass.reason.begin(), glass.reason.end(),
                                    [](unsigned char c) { return c >= 0x20 && c != 0x7f; });
  if (glass.reason.empty() || glass.reason.size() > kLongestReason || !one_line || !is_nonce(glass.nonce))
    return refuse("it says no reason of one line, or has no nonce of 16 to 64 letters and digits");
  return {};
}

}  // namespace bascule
