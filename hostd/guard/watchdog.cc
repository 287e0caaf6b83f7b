#include "hostd/guard/watchdog.h"

#include <fcntl.h>
#include <linux/watchdog.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace bascule::guard {
namespace {
constexpr char kPet = 'p';
constexpr char kStop = 'V';  // the kernel's "magic close": only after it does closing stop the timer
}  // namespace

Watchdog::Watchdog(WatchdogSettings settings) : settings_(std::move(settings)) {}
Watchdog::~Watchdog() { close(); }

Status Watchdog::arm() {
  if (armed()) return {};
  fd_ = ::open(settings_.device.c_str(), O_WRONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd_ < 0)
    return failure(ErrorCode::unavailable, "the watchdog " + settings_.device +
                                               " can't be opened: " + std::strerror(errno) +
                                               "; load its driver, or stop what else holds it");
  if (Status status = read_back(); !status) {
    disarm();
    return status;
  }
  if (!pet()) return failure(ErrorCode::unavailable, "the watchdog " + settings_.device + " can't be petted");
  return {};
}

Status Watchdog::read_back() {
  timeout_ = std::chrono::seconds(settings_.timeout_s);
  if (settings_.emulated) return {};
  int seconds = settings_.timeout_s;
  if (::ioctl(fd_, WDIOC_SETTIMEOUT, &seconds) != 0 || ::ioctl(fd_, WDIOC_GETTIMEOUT, &seconds) != 0)
    return failure(ErrorCode::unavailable,
                   "the watchdog " + settings_.device + " takes no timeout: " + std::strerror(errno));
  if (seconds <= 0 || seconds > settings_.timeout_s)
    return failure(ErrorCode::unavailable, "the watchdog " + settings_.device + " bites after " +
                                               std::to_string(seconds) + " s, not " +
                                               std::to_string(settings_.timeout_s) +
                                               "; set watchdog.timeout_s to what it can do");
  timeout_ = std::chrono::seconds(seconds);
  return {};
}

bool Watchdog::pet() {
  if (fd_ < 0) return false;
  if (::write(fd_, &kPet, 1) == 1) return true;
  close();
  return false;
}

void Watchdog::disarm() {
  // A refused 'V' leaves the timer running, which restarts a healthy host but never lets two copies run.
  if (fd_ >= 0 && ::write(fd_, &kStop, 1) != 1) timeout_ = Duration::zero();
  close();
}

void Watchdog::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

}  // namespace bascule::guard
