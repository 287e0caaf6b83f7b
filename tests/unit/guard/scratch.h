// What guard's tests make and take away again: folders, FIFOs, stand-ins for QEMU.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace bascule::guard::test {

class Folder {
 public:
  Folder() : path_(::mkdtemp(template_)) {}
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

 private:
  char template_[32] = "/tmp/guard-test-XXXXXX";
  std::string path_;
};

// The reading end of an emulated watchdog.
class Fifo {
 public:
  explicit Fifo(std::string path) : path_(std::move(path)) {
    ::signal(SIGPIPE, SIG_IGN);
    ::mkfifo(path_.c_str(), 0600);
    open();
  }
  ~Fifo() { close(); }
  Fifo(const Fifo&) = delete;
  Fifo& operator=(const Fifo&) = delete;
  void open() { fd_ = ::open(path_.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC); }
  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }
  std::string take() {  // what was written since the last time
    char bytes[256];
    const ssize_t count = ::read(fd_, bytes, sizeof bytes);
    return std::string(bytes, count > 0 ? static_cast<std::size_t>(count) : 0);
  }

 private:
  std::string path_;
  int fd_ = -1;
};

// A process that only waits, started from `program` (a copy of a shell under another name) with one more
// argument.
class Process {
 public:
  Process(const std::string& program, const std::string& script, const std::string& argument) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) std::abort();
    pid_ = ::fork();
    if (pid_ == 0) {
      ::dup2(ends[0], 0);
      ::execl(program.c_str(), program.c_str(), "-c", script.c_str(), "-name", argument.c_str(), nullptr);
      ::_exit(127);
    }
    ::close(ends[0]);
    input_ = ends[1];
    for (int i = 0; !has_argument(argument); ++i) {
      if (i == 30'000) std::abort();
      ::usleep(1000);
    }
  }
  ~Process() {
    ::kill(pid_, SIGKILL);
    reap();
    ::close(input_);
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  pid_t pid() const { return pid_; }
  bool lives() const {  // not yet exited; an exited one stays to be reaped
    siginfo_t info{};
    return ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid == 0;
  }
  bool has_argument(const std::string& argument) const {  // only once its program has been loaded whole
    std::ifstream in("/proc/" + std::to_string(pid_) + "/cmdline");
    std::stringstream line;
    line << in.rdbuf();
    return line.str().find(argument) != std::string::npos;
  }
  void reap() {
    if (!reaped_) ::waitpid(pid_, nullptr, 0);
    reaped_ = true;
  }

 private:
  pid_t pid_ = -1;
  int input_ = -1;
  bool reaped_ = false;
};

}  // namespace bascule::guard::test
