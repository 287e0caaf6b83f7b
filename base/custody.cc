#include "base/custody.h"

#include <set>

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

std::size_t count_signers(const BrokenGlass& glass) {
  const std::string text = signed_text(glass);
  std::set<std::string> keys;
  for (const GlassSignature& one : glass.signatures) {
    if (!check_signature(text, one.signature, one.key)) return 0;
    keys.insert(one.key);
  }
  return keys.size();
}

}  // namespace bascule
