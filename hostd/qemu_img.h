// qemu-img(1), run as a program: what knows the formats of disk images.
//
// Blocks until the program ends. Errors: unavailable (it can't be run), invalid (the file is refused),
// internal.
#pragma once

#include <cstdint>
#include <string>

#include "base/model.h"
#include "base/result.h"
#include "hostd/ceph.h"

namespace bascule::hostd {

struct ImageFile {
  std::string format;       // "raw" or "qcow2"
  std::uint64_t bytes = 0;  // as a guest sees it
};

Status create_qcow2(const std::string& path, std::uint64_t size_mib);

// What an image file is, within 30 s of processor time and 2 GiB of memory. Refused: other formats, encrypted
// ones, and files that refer to others, as a stranger's image could name any file of this host.
Result<ImageFile> inspect_image(const std::string& path);

// Whether a qcow2 image that a guest may have written is one, and refers to no other file: by its header
// alone, so that nothing which is running holds it up. `unavailable`: it can't be read.
Status check_qcow2_alone(const std::string& path);

// Makes the file `to`, of this format and size, which is no less than the image's, with its content.
Status copy_image(const std::string& path, const ImageFile& file, const std::string& to, DiskFormat format,
                  std::uint64_t size_mib);

// Copies its content into an image that exists and holds zeros. Progress goes to standard output.
Status copy_to_rbd(const std::string& path, const ImageFile& file, const CephAddress& to,
                   const std::string& image);

}  // namespace bascule::hostd
