#include "hostd/guard/kill.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <string_view>
#include <utility>

namespace bascule::guard {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

std::string read_all(const std::string& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string text;
  char buffer[8192];
  constexpr std::size_t kLongest = 2 * 1024 * 1024;  // the kernel's bound on arguments
  while (file.get() >= 0 && text.size() < kLongest) {
    const ssize_t count = ::read(file.get(), buffer, sizeof buffer);
    if (count <= 0) break;
    text.append(buffer, static_cast<std::size_t>(count));
  }
  return text;
}

// A killed process loses its command line when its first thread has exited, while another one may still hang
// in the kernel with a write under way.
bool has_threads_left(const std::string& process) {
  DIR* folder = ::opendir((process + "/task").c_str());
  if (folder == nullptr) return false;
  int threads = 0;
  while (const dirent* entry = ::readdir(folder))
    if (entry->d_name[0] != '.') ++threads;
  ::closedir(folder);
  return threads > 1;
}

// The target of a symbolic link; empty when it can't be read.
std::string target_of(const std::string& link) {
  char target[4096];
  const ssize_t length = ::readlink(link.c_str(), target, sizeof target);
  return std::string(target, length > 0 ? static_cast<std::size_t>(length) : 0);
}

// The guests of another PID namespace belong to that one's guard. What can't be read counts as ours.
bool is_foreign(const std::string& process) {
  const std::string own = target_of("/proc/self/ns/pid");
  const std::string other = target_of(process + "/ns/pid");
  return !own.empty() && !other.empty() && own != other;
}

bool is_protected_guest(const std::string& process) {
  constexpr std::string_view kProgram = "qemu-system";
  const std::string path = target_of(process + "/exe");
  const std::string_view program = std::string_view(path).substr(path.rfind('/') + 1);  // npos + 1 is 0
  if (!program.starts_with(kProgram) && !read_all(process + "/comm").starts_with(kProgram)) return false;
  if (is_foreign(process)) return false;
  const std::string command_line = read_all(process + "/cmdline");
  if (command_line.empty()) return has_threads_left(process);
  return command_line.find("guest=bascule-") != std::string::npos;
}

struct Condemned {
  Descriptor handle;  // pins the process: a reused number can't be hit
  bool gone = false;
};

// Opens a handle to each guest that still is one once its number is pinned.
std::vector<Condemned> condemn(const std::vector<pid_t>& guests, const std::string& proc) {
  std::vector<Condemned> condemned;
  for (const pid_t pid : guests) {
    Descriptor handle(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    const bool unpinned = handle.get() < 0 && errno != ESRCH;
    if (!is_protected_guest(proc + "/" + std::to_string(pid))) continue;
    if (unpinned) ::kill(pid, SIGKILL);  // no descriptor left, say: the next search tells whether it died
    if (handle.get() >= 0) condemned.push_back({std::move(handle)});
  }
  return condemned;
}

// Marks those that have exited, by `until` at the latest.
void wait_for_exits(std::vector<Condemned>& condemned, Instant until, const Clock& clock) {
  for (;;) {
    std::vector<pollfd> handles;
    for (const Condemned& one : condemned) handles.push_back({one.gone ? -1 : one.handle.get(), POLLIN, 0});
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - clock.now());
    const int wait = static_cast<int>(std::max<std::int64_t>(left.count(), 0));
    const int ready = ::poll(handles.data(), handles.size(), wait);
    for (std::size_t i = 0; ready > 0 && i < handles.size(); ++i)
      if (handles[i].revents != 0) condemned[i].gone = true;
    const bool all =
        std::all_of(condemned.begin(), condemned.end(), [](const auto& one) { return one.gone; });
    if (all || (ready <= 0 && left.count() <= 0)) return;
  }
}

}  // namespace

GuestSearch find_protected_guests(const std::string& proc) {
  GuestSearch search;
  DIR* folder = ::opendir(proc.c_str());
  if (folder == nullptr) return search;
  search.readable = true;
  errno = 0;
  while (const dirent* entry = ::readdir(folder)) {
    const std::string_view name = entry->d_name;
    pid_t pid = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (error != std::errc() || end != name.data() + name.size()) continue;
    if (is_protected_guest(proc + "/" + std::string(name))) search.guests.push_back(pid);
    errno = 0;
  }
  if (errno != 0) search.readable = false;
  ::closedir(folder);
  return search;
}

KillReport kill_protected_guests(Duration budget, const Clock& clock, const std::string& proc) {
  const Instant until = clock.now() + budget;
  KillReport report;
  for (bool first = true;; first = false) {
    const GuestSearch search = find_protected_guests(proc);
    report.alive = search.guests.size();
    report.all_gone = search.readable && search.guests.empty();
    const bool over = !first && clock.now() >= until;
    if (report.all_gone || !search.readable || over) return report;
    std::vector<Condemned> condemned = condemn(search.guests, proc);
    for (const Condemned& one : condemned)
      ::syscall(SYS_pidfd_send_signal, one.handle.get(), SIGKILL, nullptr, 0);
    wait_for_exits(condemned, until, clock);
    const auto gone =
        std::count_if(condemned.begin(), condemned.end(), [](const auto& one) { return one.gone; });
    report.killed += static_cast<std::size_t>(gone);
  }
}

void reset_machine() {
  const Descriptor trigger(::open("/proc/sysrq-trigger", O_WRONLY | O_CLOEXEC));
  if (trigger.get() >= 0 && ::write(trigger.get(), "b", 1) < 0) return;  // the watchdog is the second way
}

}  // namespace bascule::guard
