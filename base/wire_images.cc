#include "base/wire_images.h"

#include "base/sha256.h"

namespace bascule::wire {

std::string template_of(const ImageId& image, const std::string& sha256) {
  constexpr std::size_t kDigits = 56;  // a name has at most 63 characters
  return "image-" + sha256_hex(image.value + " " + sha256).substr(0, kDigits);
}

}  // namespace bascule::wire
