#include "cluster/store_epoch.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string_view>

#include "base/json.h"
#include "base/model.h"

namespace bascule {

template <class V>
void fields(V& v, EpochRecord& x) {
  v("format", x.format);
  v("epoch", x.epoch);
  v("revision", x.revision);
  v("inode", x.inode);
}

namespace {

// One sector, so that an overwrite in place is not torn.
constexpr std::size_t kRecordSize = 512;

Error system_error(std::string_view what, const std::string& path) {
  return {ErrorCode::unavailable, std::string(what) + " " + path + ": " + std::strerror(errno)};
}

std::string padded(const EpochRecord& record) {
  std::string text = json::encode_text(record);
  text.resize(kRecordSize - 1, ' ');
  return text + "\n";
}

Status write_all(int file, std::string_view text, const std::string& path) {
  const ssize_t written = ::pwrite(file, text.data(), text.size(), 0);
  if (written == static_cast<ssize_t>(text.size())) return {};
  return failure(system_error("can't write", path));
}

Status sync_directory_of(const std::string& path) {
  const std::string directory = std::filesystem::path(path).parent_path().string();
  const int file = ::open(directory.empty() ? "." : directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (file < 0) return failure(system_error("can't open", directory));
  const int synced = ::fsync(file);
  ::close(file);
  if (synced != 0) return failure(system_error("can't sync", directory));
  return {};
}

}  // namespace

EpochFile::~EpochFile() {
  if (file_ >= 0) ::close(file_);
}

bool EpochFile::exists() const { return ::access(path_.c_str(), F_OK) == 0; }

std::optional<EpochRecord> EpochFile::read() const {
  const int file = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return std::nullopt;
  std::array<char, 4 * kRecordSize> buffer{};
  const ssize_t size = ::pread(file, buffer.data(), buffer.size(), 0);
  ::close(file);
  if (size <= 0) return std::nullopt;
  const std::string_view text(buffer.data(), static_cast<std::size_t>(size));
  const Result<EpochRecord> record = json::decode_text<EpochRecord>(text, json::Unknown::tolerate);
  if (!record) return std::nullopt;
  return *record;
}

Status EpochFile::replace(const EpochRecord& record) {
  const std::string fresh = path_ + ".new";
  const int file = ::open(fresh.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0) return failure(system_error("can't create", fresh));
  if (file_ >= 0) ::close(file_);
  file_ = file;  // the name changes below, the open file stays the same
  if (const Status s = write_all(file, padded(record), fresh); !s) return s;
  if (::fsync(file) != 0) return failure(system_error("can't sync", fresh));
  if (::rename(fresh.c_str(), path_.c_str()) != 0) return failure(system_error("can't replace", path_));
  return sync_directory_of(path_);
}

Status EpochFile::note(const EpochRecord& record) { return write_all(file_, padded(record), path_); }

LockFile::~LockFile() {
  if (file_ >= 0) ::close(file_);
}

Status LockFile::lock(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) return failure(system_error("can't open", path));
  if (::flock(file, LOCK_EX | LOCK_NB) != 0) {
    std::array<char, 32> holder{};
    const ssize_t size = ::pread(file, holder.data(), holder.size() - 1, 0);
    ::close(file);
    return failure(ErrorCode::conflict, "another process (" + std::string(size > 0 ? holder.data() : "?") +
                                            ") holds " + path +
                                            ": only one manager may use a store; stop the other one first");
  }
  file_ = file;
  const std::string pid = "pid " + std::to_string(::getpid());
  if (::ftruncate(file, 0) != 0) return failure(system_error("can't write", path));
  return write_all(file, pid, path);
}

}  // namespace bascule
