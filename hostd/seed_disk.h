// SeedDisk: the small disk that a guest reads its Seed from, ISO 9660 with the label "cidata", made by
// genisoimage(1).
//
// QEMU opens it while the guest is started, and from then on needs no name of it: the file ends with this
// object, so that nothing of the tenant's is left behind.
#pragma once

#include <string>
#include <utility>

#include "base/id.h"
#include "base/model.h"
#include "base/result.h"

namespace bascule::hostd {

class SeedDisk {
 public:
  // In a folder that QEMU may pass through.
  static Result<SeedDisk> make(const std::string& folder, const VmId& vm, const Seed& seed);
  SeedDisk(SeedDisk&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  SeedDisk& operator=(SeedDisk&&) = delete;
  ~SeedDisk();

  const std::string& path() const { return path_; }

 private:
  explicit SeedDisk(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

// Empties the folder, or makes it: nothing in it is needed when this daemon begins.
Status prepare_seed_folder(const std::string& folder);

}  // namespace bascule::hostd
