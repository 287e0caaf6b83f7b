// Storage: where the volumes of a pool are, as data for the domain, and how a volume comes and goes.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "base/custody.h"
#include "base/model.h"
#include "base/result.h"
#include "base/secret.h"
#include "base/wire.h"

namespace bascule::hostd {

struct FileSource {
  std::string path;
};
struct NbdSource {
  std::string host;
  std::uint16_t port = 10809;
  std::string export_name;
};
struct RbdSource {
  std::string conf;  // of its cluster, readable by QEMU
  std::string pool;
  std::string image;
  std::string client;  // "bascule.<vm>.<generation>": this guest's own, so that fencing it hits no other
  Secret key;
};
using DiskSource = std::variant<FileSource, NbdSource, RbdSource>;

struct NewVolume {
  Disk disk;
  VmId owner;
  bool mirrored = false;             // followed by the other site's storage, where the pool can
  std::optional<Custody> custody{};  // kept with it from the beginning, where the pool can
};

// For whom a volume is opened.
struct Taking {
  VmId vm;
  Generation generation;  // that will run
  Generation ran;         // the last that did
  wire::Takeover takeover = wire::Takeover::none;
};
// What is to be done with a volume of a VM.
struct Changing {
  VmId vm;
  wire::VolumeChange change;
};
// A volume in use, as its host knows it.
struct Tending {
  Generation generation;
  std::optional<std::uint64_t> written;  // by the guest since its QEMU began, in bytes; absent: not known
  bool anew = false;                     // a look of some seconds ago won't do: something happened to it
};
struct OpenedVolume {
  DiskSource source;
  std::optional<wire::VolumeTaken> taken;  // when it came from the other site's storage
};

// All members may be called from any thread; they block on the storage. Volume names are single path
// components (is_valid_name), anything else is `invalid`.
class StoragePool {
 public:
  virtual ~StoragePool() = default;
  virtual const std::string& name() const = 0;
  // Whether the pool is usable now (mounted, writable); `unavailable` says why not.
  virtual Status ready() const = 0;
  // What the storage says of itself that wants a person soon, though it works: nearly full, a copy less. In
  // its own words, which don't change as long as the trouble is the same.
  virtual std::vector<std::string> warnings() const { return {}; }
  // Which hosts there are, and which of them are off for a while by an operator's order.
  virtual void tell_hosts(const std::set<HostId>&, const std::set<HostId>&) {}
  // Of these hosts, those that carry the storage, whenever it was looked at anew; each answer once.
  virtual std::optional<std::vector<wire::StorageServer>> take_servers() { return std::nullopt; }
  virtual Result<bool> exists(const std::string& volume) const = 0;
  // All or nothing: a volume that could not be finished is removed. `conflict` when it exists.
  virtual Status create(const NewVolume& volume) = 0;
  // No error when there is none. What can be told to be somebody else's is left alone.
  virtual Status remove(const std::string& volume, const VmId& owner) = 0;
  // Makes the volume this generation's own, writable at this site, and tells where QEMU finds it. The caller
  // has proved that no copy of the VM runs: whoever still has it open is fenced.
  virtual Result<OpenedVolume> open(const std::string& volume, const Taking& taking) = 0;
  // Who alone gets inside; nothing where nothing was ever kept. Travels with the volume.
  virtual bool keeps_custody() const { return false; }
  virtual Result<std::optional<Custody>> custody(const std::string&) const { return std::nullopt; }
  virtual Status set_custody(const std::string& volume, const Custody&) {
    return failure(ErrorCode::policy, "pool " + name() + " can't keep who gets inside volume " + volume);
  }
  // Where a kernel or initial RAM disk lies on this host, apart from all volumes; `invalid` in pools that
  // have no files.
  virtual Result<std::string> file_path(const std::string& volume) const = 0;
  // A tenant's own image, as a template of that name; the file stays the caller's. Nothing is left of one
  // that can't be finished.
  virtual Status keep_image(const std::string& name, const std::string& file) {
    return failure(ErrorCode::policy, "pool " + this->name() + " keeps no images: " + name + " of " + file);
  }
  // No error when there is none; `conflict` while volumes need it.
  virtual Status drop_image(const std::string&) { return {}; }
  // Where a guest of that generation reads it as a CD.
  virtual Result<DiskSource> open_image(const std::string& name, const Taking&) {
    return failure(ErrorCode::policy, "pool " + this->name() + " keeps no images: " + name);
  }
  // Regularly, while a guest of this host uses it: keeps the other site's copy fresh, and tells how it is.
  // Nothing where both sites use one storage.
  virtual std::optional<wire::VolumeSeen> tend(const std::string& volume, const Tending& tending) = 0;
  // The guest of that generation has ended here: what it wrote last is copied too, and its client can't come
  // back. Best effort: whatever opens the volume next doesn't rely on it.
  virtual void close(const std::string& volume, const VmId& vm, Generation generation) = 0;
  // Makes this site's copy follow the other's, which has the newer data, and returns when it is in step. What
  // was here is kept under another name. May take long; `conflict` where it would lose the newer data.
  virtual Status follow(const std::string& volume, const VmId& vm) = 0;
  // Why it can't be changed so.
  virtual Status check_change(const std::string& volume, const Changing& changing) const = 0;
  // Several volumes that are to be changed as one: none of them can be opened, or changed otherwise, between
  // its begin and its end.
  virtual Status begin_change(const std::string& volume, const Changing& changing) {
    return check_change(volume, changing);
  }
  virtual Status end_change(const std::string&) { return {}; }
  // After check_change(). Of a guest that runs, QEMU grows the volumes.
  virtual Status change(const std::string& volume, const Changing& changing) = 0;
};

using StoragePools = std::map<std::string, std::unique_ptr<StoragePool>>;

}  // namespace bascule::hostd
