// What hosts and the manager say about tenants' own images; a part of wire.h.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/fields.h"
#include "base/id.h"

namespace bascule::wire {

// What an image is for: a volume begins as it (raw or qcow2), or a guest reads it as a CD (ISO 9660).
enum class ImageKind { disk, iso };
constexpr auto enum_names(ImageKind) {
  return std::array{EnumName<ImageKind>{ImageKind::disk, "disk"}, EnumName<ImageKind>{ImageKind::iso, "iso"}};
}

// The name that an image has in its pool: of this content, and of no other. Where a machine's custody names
// it, nobody can put another in its place.
std::string template_of(const ImageId& image, const std::string& sha256);

// Dial the manager at that port and kStreamPath, take so many bytes as they come, and keep them in the pool,
// once they are known to have that digest. The stream is closed with kStored, or with what was wrong.
struct ReceiveImage {
  static constexpr std::string_view kType = "receive_image";
  std::string stream;  // a secret: whoever has it is this host's end
  ImageId image;
  std::string pool;
  ImageKind kind = ImageKind::disk;
  std::uint64_t bytes = 0;
  std::string sha256;      // 64 hexadecimal digits
  std::uint16_t port = 0;  // of the manager, to be dialled
};
inline constexpr std::string_view kStored = "the image is stored";
template <class V>
void fields(V& v, ReceiveImage& x) {
  v("stream", x.stream);
  v("image", x.image);
  v("pool", x.pool);
  v("kind", x.kind);
  v("bytes", x.bytes);
  v("sha256", x.sha256);
  v("port", x.port);
}

// Nothing of it is to be left in the pool. Said again until it is answered.
struct RemoveImage {
  static constexpr std::string_view kType = "remove_image";
  ImageId image;
  std::string pool;
  std::string sha256;
};
template <class V>
void fields(V& v, RemoveImage& x) {
  v("image", x.image);
  v("pool", x.pool);
  v("sha256", x.sha256);
}

// What became of it.
enum class ImageEnd { stored, refused, removed, kept };
constexpr auto enum_names(ImageEnd) {
  using E = ImageEnd;
  return std::array{EnumName<E>{E::stored, "stored"}, EnumName<E>{E::refused, "refused"},
                    EnumName<E>{E::removed, "removed"}, EnumName<E>{E::kept, "kept"}};
}
struct ImageSeen {
  static constexpr std::string_view kType = "image_seen";
  ImageId image;
  ImageEnd end = ImageEnd::refused;
  std::string why;             // it was refused, or kept though it was to be removed
  std::uint64_t size_mib = 0;  // stored: of a volume that it fits in
};
template <class V>
void fields(V& v, ImageSeen& x) {
  v("image", x.image);
  v("end", x.end);
  v.optional("why", x.why);
  v.optional("size_mib", x.size_mib);
}

}  // namespace bascule::wire
