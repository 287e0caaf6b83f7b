#include "hostd/storage_dir.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <semaphore>

#include "base/durable_file.h"
#include "base/log.h"
#include "hostd/custodian.h"
#include "hostd/qemu_img.h"
#include "hostd/system_error.h"

namespace bascule::hostd {
namespace {

constexpr std::size_t kLargestCustody = 64 * 1024;

// Copies of templates take long, and must not keep all of hostd's workers from their other orders: some go on
// at once, some more wait for them, and no others come.
class CopyingPlace {
 public:
  CopyingPlace()
      : admitted_(queue().try_acquire()), taken_(admitted_ && places().try_acquire_for(kLongestWait)) {}
  CopyingPlace(const CopyingPlace&) = delete;
  CopyingPlace& operator=(const CopyingPlace&) = delete;
  ~CopyingPlace() {
    if (taken_) places().release();
    if (admitted_) queue().release();
  }
  bool taken() const { return taken_; }

 private:
  static constexpr std::chrono::minutes kLongestWait{10};
  static std::counting_semaphore<8>& queue() {
    static std::counting_semaphore<8> eight(8);  // half of the workers
    return eight;
  }
  static std::counting_semaphore<2>& places() {
    static std::counting_semaphore<2> two(2);
    return two;
  }
  const bool admitted_;
  const bool taken_;
};

class DirPool final : public StoragePool {
 public:
  DirPool(std::string name, std::string path) : name_(std::move(name)), path_(std::move(path)) {}

  const std::string& name() const override { return name_; }

  Status ready() const override {
    struct stat info {};
    if (stat(path_.c_str(), &info) == 0 && S_ISDIR(info.st_mode) && access(path_.c_str(), W_OK) == 0)
      return {};
    return failure(ErrorCode::unavailable,
                   "pool " + name_ + ": " + path_ + " is no writable directory; is it mounted?");
  }

  Result<bool> exists(const std::string& volume) const override {
    const Result<std::string> path = volume_path(volume);
    if (!path) return failure(path.error());
    if (const Status usable = ready(); !usable) return failure(usable.error());
    struct stat info {};
    if (lstat(path->c_str(), &info) != 0) {
      if (errno == ENOENT) return false;
      return failure(system_error("pool " + name_ + ": looking at " + volume));
    }
    if (S_ISREG(info.st_mode)) return true;
    return failure(ErrorCode::invalid, "pool " + name_ + ": " + volume + " is no regular file");
  }

  // Made under another name, which no volume can have, and renamed when complete: a crash leaves no half
  // volume.
  Status create(const NewVolume& volume) override {
    const Disk& disk = volume.disk;
    const Result<bool> there = exists(disk.volume);
    if (!there) return failure(there.error());
    if (*there) return failure(ErrorCode::conflict, "pool " + name_ + ": " + disk.volume + " exists already");
    const std::string unfinished = path_ + "/." + disk.volume + "." + this_host() + ".unfinished";
    unlink(unfinished.c_str());
    const Status made = !disk.from.empty()               ? copy_template(unfinished, disk)
                        : disk.format == DiskFormat::raw ? make_raw(unfinished, disk.size_mib)
                                                         : create_qcow2(unfinished, disk.size_mib);
    // The custody first: a volume without it would be anybody's. One that is left without a volume harms
    // nobody.
    Status finished = made && volume.custody ? make_custody(disk.volume, *volume.custody) : made;
    if (finished) finished = finish(unfinished, disk.volume);
    if (!finished) {
      unlink(unfinished.c_str());
      return failure(finished.error().within("creating volume " + disk.volume + " in pool " + name_));
    }
    return {};
  }

  Status remove(const std::string& volume, const VmId& owner) override {
    const Result<bool> there = exists(volume);
    if (!there) return failure(there.error());
    const Result<std::optional<Custody>> kept = custody(volume);
    if (!*there) {  // of a try to make it that ended half-way
      if (kept && *kept && (*kept)->vm == owner) unlink(custody_path(volume).c_str());
      return {};
    }
    if (kept && *kept && (*kept)->vm != owner) {
      log(LogLevel::warning, "storage", "not_removed", {{"volume", volume}, {"why", "it is another VM's"}});
      return {};
    }
    if (unlink((path_ + "/" + volume).c_str()) != 0)
      return failure(system_error("pool " + name_ + ": removing " + volume));
    unlink(custody_path(volume).c_str());  // last: a volume without it would be anybody's
    return {};
  }

  bool keeps_custody() const override { return true; }
  Result<std::optional<Custody>> custody(const std::string& volume) const override {
    if (const Result<std::string> named = volume_path(volume); !named) return failure(named.error());
    const Result<std::string> text = read_whole(custody_path(volume), kLargestCustody);
    if (!text && text.error().code == ErrorCode::not_found) return std::nullopt;
    return text ? read_custody(*text) : tl::unexpected(text.error());
  }
  Status set_custody(const std::string& volume, const Custody& custody) override {
    if (const Result<std::string> named = volume_path(volume); !named) return failure(named.error());
    return write_durably(custody_path(volume), text_of(custody));
  }

  // Both sites see the directory: there is nothing to take over.
  Result<OpenedVolume> open(const std::string& volume, const Taking&) override {
    const Result<std::string> path = volume_path(volume);
    if (!path) return failure(path.error());
    return OpenedVolume{FileSource{*path}, {}};
  }
  std::optional<wire::VolumeSeen> tend(const std::string&, const Tending&) override { return std::nullopt; }
  void close(const std::string&, const VmId&, Generation) override {}
  Status follow(const std::string&, const VmId&) override { return {}; }
  Status check_change(const std::string&, const Changing&) const override {
    return failure(ErrorCode::invalid,
                   "pool " + name_ + " is a directory: its volumes neither grow nor have snapshots");
  }
  Status change(const std::string& volume, const Changing& changing) override {
    return check_change(volume, changing);
  }

  Status keep_image(const std::string& name, const std::string& file) override {
    if (const Result<std::string> named = volume_path(name); !named) return failure(named.error());
    if (const Status usable = ready(); !usable) return usable;
    const std::string folder = path_ + "/templates";
    const std::string unfinished = folder + "/." + name + ".unfinished";
    std::error_code problem;
    std::filesystem::create_directories(folder, problem);
    if (!problem)
      std::filesystem::copy_file(file, unfinished, std::filesystem::copy_options::overwrite_existing,
                                 problem);
    const Status kept =
        problem ? failure(ErrorCode::unavailable, "copying it into pool " + name_ + ": " + problem.message())
                : rename_durably(unfinished, folder, name);
    if (!kept) unlink(unfinished.c_str());
    return kept;
  }
  Status drop_image(const std::string& name) override {
    if (const Result<std::string> named = volume_path(name); !named) return failure(named.error());
    if (const Status usable = ready(); !usable) return usable;
    // What a host that died meanwhile had begun to keep.
    unlink((path_ + "/templates/." + name + ".unfinished").c_str());
    if (unlink((path_ + "/templates/" + name).c_str()) == 0 || errno == ENOENT) return {};
    return failure(system_error("pool " + name_ + ": removing image " + name));
  }
  Result<DiskSource> open_image(const std::string& name, const Taking&) override {
    if (const Result<std::string> named = volume_path(name); !named) return failure(named.error());
    const std::string path = path_ + "/templates/" + name;
    if (access(path.c_str(), R_OK) == 0) return FileSource{path};
    return failure(ErrorCode::not_found, "pool " + name_ + " has no image " + name);
  }

  // In a folder of their own: what guests boot is no volume that another guest could write to.
  Result<std::string> file_path(const std::string& file) const override {
    const Result<std::string> named = volume_path(file);
    return named ? path_ + "/boot/" + file : named;
  }

 private:
  Result<std::string> volume_path(const std::string& volume) const {
    if (is_valid_name(volume)) return path_ + "/" + volume;
    return failure(ErrorCode::invalid, "pool " + name_ + ": \"" + volume + "\" is no name of a volume");
  }

  // No volume's name begins with a dot.
  std::string custody_path(const std::string& volume) const { return path_ + "/." + volume + ".custody"; }

  static std::string this_host() {
    char name[65] = {};
    return gethostname(name, sizeof name - 1) == 0 ? name : "host";
  }

  // Of a volume that is being made, perhaps by two hosts at once: the first to write it has it.
  Status make_custody(const std::string& volume, const Custody& custody) {
    const std::string path = custody_path(volume);
    const std::string fresh = path + "." + this_host();
    if (const Status written = write_durably(fresh, text_of(custody)); !written) return written;
    const bool made = link(fresh.c_str(), path.c_str()) == 0;
    const Error error = system_error("keeping who gets inside " + volume);
    unlink(fresh.c_str());
    if (made) return {};
    const Result<std::optional<Custody>> kept = this->custody(volume);
    if (!kept) return failure(kept.error());
    const bool same = *kept && (*kept)->vm == custody.vm && (*kept)->tenant == custody.tenant;
    if (same && (*kept)->delivered) return {};
    return same ? set_custody(volume, custody) : failure(error);  // of a try that ended half-way
  }

  static Status rename_durably(const std::string& file, const std::string& folder, const std::string& name) {
    const int opened = ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    const bool synced = opened >= 0 && fsync(opened) == 0;
    if (opened >= 0) ::close(opened);
    if (!synced) return failure(system_error("syncing " + file));
    // QEMU reads it under another account.
    if (chmod(file.c_str(), 0644) != 0 || rename(file.c_str(), (folder + "/" + name).c_str()) != 0)
      return failure(system_error("naming " + name));
    return sync_folder(folder);
  }

  static Status sync_folder(const std::string& path) {
    const int folder = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const bool kept = folder >= 0 && fsync(folder) == 0;
    if (folder >= 0) ::close(folder);
    return kept ? Status() : failure(system_error("syncing " + path));
  }

  // Templates are disk images in the folder `templates`, put there by a rename.
  Status copy_template(const std::string& to, const Disk& disk) const {
    if (!is_valid_name(disk.from)) return failure(ErrorCode::invalid, "\"" + disk.from + "\" is no template");
    const std::string path = path_ + "/templates/" + disk.from;
    const Result<ImageFile> image = inspect_image(path);
    if (!image) return failure(image.error());
    const CopyingPlace place;
    if (!place.taken())
      return failure(ErrorCode::unavailable,
                     "other volumes are being made from templates: try again in a while");
    if (image->bytes > disk.size_mib * 1024 * 1024)
      return failure(ErrorCode::invalid,
                     disk.from + " is larger than " + std::to_string(disk.size_mib) + " MiB");
    return copy_image(path, *image, to, disk.format, disk.size_mib);
  }

  static Status make_raw(const std::string& path, std::uint64_t size_mib) {
    const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file < 0) return failure(system_error("creating " + path));
    Status done;
    if (ftruncate(file, static_cast<off_t>(size_mib * 1024 * 1024)) != 0)
      done = failure(system_error("sizing " + path));
    ::close(file);
    return done;
  }

  // link() instead of rename(): it refuses when the other site made the volume in the meantime.
  Status finish(const std::string& unfinished, const std::string& volume) const {
    const int file = ::open(unfinished.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    const bool synced = file >= 0 && fsync(file) == 0;
    if (file >= 0) ::close(file);
    if (!synced) return failure(system_error("syncing " + unfinished));
    if (link(unfinished.c_str(), (path_ + "/" + volume).c_str()) != 0)
      return failure(system_error("naming " + volume));
    unlink(unfinished.c_str());
    return sync_folder(path_);
  }

  const std::string name_;
  const std::string path_;
};

}  // namespace

std::unique_ptr<StoragePool> make_dir_pool(const std::string& name, const std::string& path) {
  return std::make_unique<DirPool>(name, path);
}

}  // namespace bascule::hostd
