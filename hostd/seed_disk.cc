#include "hostd/seed_disk.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "hostd/program.h"
#include "hostd/system_error.h"

namespace bascule::hostd {
namespace {

namespace fs = std::filesystem;

Status write_file(const std::string& path, const std::string& text) {
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (file < 0) return failure(system_error("creating " + path));
  const bool written = write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  Status done;
  if (!written) done = failure(system_error("writing " + path));
  close(file);
  return done;
}

// The files in a folder of their own, which goes when the image is made.
class Scratch {
 public:
  explicit Scratch(std::string path) : path_(std::move(path)) {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
    made_ = mkdir(path_.c_str(), 0700) == 0;
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  bool made() const { return made_; }

 private:
  const std::string path_;
  bool made_ = false;
};

}  // namespace

Result<SeedDisk> SeedDisk::make(const std::string& folder, const VmId& vm, const Seed& seed) {
  const std::string files = folder + "/" + vm.value;
  const Scratch scratch(files);
  if (!scratch.made()) return failure(system_error("creating " + files));
  const std::pair<const char*, const std::string*> parts[] = {{"meta-data", &seed.meta_data},
                                                              {"user-data", &seed.user_data},
                                                              {"network-config", &seed.network_config}};
  for (const auto& [name, text] : parts) {
    if (text->empty() && text == &seed.network_config) continue;
    if (const Status written = write_file(files + "/" + name, *text); !written)
      return failure(written.error());
  }
  SeedDisk disk(files + ".iso");
  const auto code = run_program(
      {"genisoimage", "-quiet", "-output", disk.path_, "-volid", "cidata", "-joliet", "-rock", files});
  if (!code) return failure(code.error().within("making the disk with its first settings"));
  if (*code != 0) return failure(ErrorCode::internal, "genisoimage could not make " + disk.path_);
  if (chmod(disk.path_.c_str(), 0600) != 0) return failure(system_error("closing " + disk.path_));
  return disk;
}

SeedDisk::~SeedDisk() {
  if (!path_.empty()) unlink(path_.c_str());
}

Status prepare_seed_folder(const std::string& folder) {
  std::error_code error;
  fs::remove_all(folder, error);
  if (mkdir(folder.c_str(), 0711) != 0 || chmod(folder.c_str(), 0711) != 0)
    return failure(system_error("creating " + folder));
  return {};
}

}  // namespace bascule::hostd
