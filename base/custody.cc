#include "base/custody.h"

#include "base/json.h"

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

}  // namespace bascule
