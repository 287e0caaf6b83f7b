// The side file of an embedded store: what it remembers outside of the database, so that an old or foreign
// database gives itself away.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/id.h"
#include "base/result.h"

namespace bascule {

struct EpochRecord {
  int format = 1;
  Epoch epoch;
  Revision revision;        // highest acknowledged
  std::uint64_t inode = 0;  // of the database file: a copy is another file
};

// One thread at a time.
class EpochFile {
 public:
  explicit EpochFile(std::string path) : path_(std::move(path)) {}
  ~EpochFile();
  EpochFile(const EpochFile&) = delete;
  EpochFile& operator=(const EpochFile&) = delete;

  // Nothing when there is no readable record: whoever lost it can't prove that the database is current.
  std::optional<EpochRecord> read() const;
  bool exists() const;

  // Replaces the file, durably.
  Status replace(const EpochRecord& record);
  // Overwrites the record in place: survives the process, not necessarily the machine. It then lags behind,
  // which only means that it detects less.
  Status note(const EpochRecord& record);

 private:
  std::string path_;
  int file_ = -1;
};

// Holds `path` against every other process as long as it lives.
class LockFile {
 public:
  LockFile() = default;
  ~LockFile();
  LockFile(const LockFile&) = delete;
  LockFile& operator=(const LockFile&) = delete;

  Status lock(const std::string& path);

 private:
  int file_ = -1;
};

}  // namespace bascule
