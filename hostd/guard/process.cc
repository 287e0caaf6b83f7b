#include "hostd/guard/process.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "base/log.h"
#include "base/real_time.h"

namespace bascule::guard {
namespace {

void not_permitted(std::string_view what) {
  log(LogLevel::warning, "guard", "not_permitted", {{"what", what}, {"error", std::strerror(errno)}});
}

void lock_memory() {
#if !defined(__SANITIZE_ADDRESS__)  // whose shadow memory is larger than any machine
  if (::mlockall(MCL_CURRENT | MCL_FUTURE) != 0) not_permitted("locked memory");
#endif
}

}  // namespace

Status be_the_only_guard(const std::string& run_dir) {
  if (::mkdir(run_dir.c_str(), 0755) != 0 && errno != EEXIST)
    return failure(ErrorCode::unavailable, "run_dir " + run_dir + " can't be made: " + std::strerror(errno));
  const std::string path = run_dir + "/guard.lock";
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);  // held until the process ends
  if (fd < 0) return failure(ErrorCode::unavailable, path + " can't be opened: " + std::strerror(errno));
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0)
    return failure(ErrorCode::conflict, path + " is locked: another bascule-guard runs on this host");
  return {};
}

void claim_resources() {
  lock_memory();
  if (!run_in_real_time(10)) not_permitted("real-time priority");
  std::ofstream score("/proc/self/oom_score_adj");
  score << -1000 << std::flush;
  if (!score) not_permitted("OOM score -1000");
}

Result<BootId> read_boot_id() {
  const char* path = "/proc/sys/kernel/random/boot_id";
  std::ifstream in(path);
  std::string text;
  if (!(in >> text)) return failure(ErrorCode::unavailable, std::string(path) + " can't be read");
  return BootId(text);
}

}  // namespace bascule::guard
