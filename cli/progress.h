// Progress: while it lives, and once a second has passed, a line on standard error says what is waited for.
#pragma once

#include <condition_variable>
#include <iosfwd>
#include <mutex>
#include <string>
#include <thread>

namespace bascule::cli {

class Progress {
 public:
  Progress(std::ostream& err, bool shown, std::string what);
  ~Progress();  // removes the line
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

 private:
  void run();

  std::ostream& err_;
  const std::string what_;
  std::mutex mutex_;
  std::condition_variable ended_;
  bool over_ = false;
  std::thread thread_;
};

}  // namespace bascule::cli
