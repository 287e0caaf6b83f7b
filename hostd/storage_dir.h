// A pool that is a directory: each volume a file in it. The directory itself must exist; it is never made,
// because a pool that isn't mounted must not be mistaken for an empty one.
#pragma once

#include "hostd/storage.h"

namespace bascule::hostd {

std::unique_ptr<StoragePool> make_dir_pool(const std::string& name, const std::string& path);

}  // namespace bascule::hostd
