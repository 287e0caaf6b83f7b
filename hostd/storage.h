// Storage: where the volumes of a pool are, as data for the domain, and how a volume comes and goes.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "base/model.h"
#include "base/result.h"

namespace bascule::hostd {

struct FileSource {
  std::string path;
};
struct NbdSource {
  std::string host;
  std::uint16_t port = 10809;
  std::string export_name;
};
using DiskSource = std::variant<FileSource, NbdSource>;

// All members may be called from any thread; they block on the storage. Volume names are single path
// components (is_valid_name), anything else is `invalid`.
class StoragePool {
 public:
  virtual ~StoragePool() = default;
  virtual const std::string& name() const = 0;
  // Whether the pool is usable now (mounted, writable); `unavailable` says why not.
  virtual Status ready() const = 0;
  virtual Result<bool> exists(const std::string& volume) const = 0;
  // All or nothing: a volume that could not be finished is removed. `conflict` when it exists.
  virtual Status create(const Disk& disk) = 0;
  virtual Status remove(const std::string& volume) = 0;  // no error when there is none
  virtual Result<DiskSource> source(const std::string& volume) const = 0;
  // Where a kernel or initial RAM disk lies on this host; `invalid` in pools that have no files.
  virtual Result<std::string> file_path(const std::string& volume) const = 0;
};

using StoragePools = std::map<std::string, std::unique_ptr<StoragePool>>;

}  // namespace bascule::hostd
