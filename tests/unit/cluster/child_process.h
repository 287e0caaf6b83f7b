// A process that a test started. Killed and reaped when it goes, also out of a constructor that fails.
#pragma once

#include <sys/wait.h>

#include <csignal>
#include <utility>

namespace bascule {

struct ChildProcess {
  pid_t pid = -1;
  ChildProcess() = default;
  ~ChildProcess() { end(); }
  void end() {
    if (pid <= 0) return;
    ::kill(pid, SIGKILL);
    ::waitpid(std::exchange(pid, -1), nullptr, 0);
  }
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;
};

}  // namespace bascule
