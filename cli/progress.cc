#include "cli/progress.h"

#include <chrono>
#include <ostream>

namespace bascule::cli {

Progress::Progress(std::ostream& err, bool shown, std::string what) : err_(err), what_(std::move(what)) {
  if (shown) thread_ = std::thread([this] { run(); });
}

Progress::~Progress() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    over_ = true;
    ended_.notify_all();
  }
  thread_.join();
}

void Progress::run() {
  std::unique_lock lock(mutex_);
  int seconds = 0;
  while (!ended_.wait_for(lock, std::chrono::seconds(1), [this] { return over_; }))
    err_ << "\r" << what_ << "… " << ++seconds << " s" << std::flush;
  if (seconds > 0) err_ << "\r\033[K" << std::flush;
}

}  // namespace bascule::cli
