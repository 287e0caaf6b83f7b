#include "hostd/qemu_processes.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <charconv>
#include <optional>

namespace bascule::hostd {
namespace {

constexpr std::size_t kLongestCommandLine = 256 * 1024;  // command lines are at most a few pages

std::string read_file(const std::string& path) {
  std::string text;
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return text;
  char buffer[8192];
  for (ssize_t got = read(file, buffer, sizeof buffer); got > 0 && text.size() < kLongestCommandLine;
       got = read(file, buffer, sizeof buffer))
    text.append(buffer, static_cast<std::size_t>(got));
  close(file);
  return text;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const std::size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return parts;
}

// The start time is the 22nd field of stat; the second, the program's name, may hold anything.
std::optional<std::uint64_t> start_time(std::string_view stat, bool& zombie) {
  const std::size_t name_end = stat.rfind(')');
  if (name_end == std::string_view::npos || name_end + 2 >= stat.size()) return std::nullopt;
  const std::vector<std::string_view> rest = split(stat.substr(name_end + 2), ' ');
  if (rest.size() < 20) return std::nullopt;
  zombie = rest[0] == "Z" || rest[0] == "X";
  std::uint64_t ticks = 0;
  std::from_chars(rest[19].data(), rest[19].data() + rest[19].size(), ticks);
  return ticks;
}

std::string guest_name(std::string_view value) {
  for (std::string_view part : split(value, ','))
    if (part.starts_with("guest=")) return std::string(part.substr(6));
  return std::string(value.substr(0, value.find(',')));
}

class ProcProcesses final : public QemuProcesses {
 public:
  explicit ProcProcesses(std::string root) : root_(std::move(root)) {}

  Result<std::vector<QemuProcess>> scan() override {
    std::vector<QemuProcess> found;
    DIR* directory = opendir(root_.c_str());
    if (!directory) return failure(ErrorCode::unavailable, root_ + " can't be read");
    while (const dirent* entry = readdir(directory)) {
      int pid = 0;
      const std::string_view name = entry->d_name;
      const auto parsed = std::from_chars(name.data(), name.data() + name.size(), pid);
      if (parsed.ec != std::errc() || parsed.ptr != name.data() + name.size()) continue;
      if (std::optional<QemuProcess> process = look_at(pid)) found.push_back(std::move(*process));
    }
    closedir(directory);
    return found;
  }

  bool kill(const QemuProcess& process) override {
    const int descriptor = open_pidfd(process);
    if (descriptor < 0) return false;
    const long sent = syscall(SYS_pidfd_send_signal, descriptor, SIGKILL, nullptr, 0);
    close(descriptor);
    return sent == 0;
  }

  void wait(const std::vector<QemuProcess>& watched, Duration time) override {
    std::vector<pollfd> polled;
    bool gone = false;
    for (const QemuProcess& process : watched) {
      const int descriptor = open_pidfd(process);
      gone = gone || descriptor < 0;
      if (descriptor >= 0) polled.push_back({descriptor, POLLIN, 0});
    }
    const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(time).count();
    if (!gone) poll(polled.data(), polled.size(), static_cast<int>(milliseconds));
    for (const pollfd& entry : polled) close(entry.fd);
  }

 private:
  std::optional<QemuProcess> look_at(int pid) const {
    const std::string folder = root_ + "/" + std::to_string(pid);
    const std::string command_line = read_file(folder + "/cmdline");
    if (command_line.find("qemu") == std::string::npos) return std::nullopt;
    const std::vector<std::string_view> words = split(command_line, '\0');
    QemuProcess process;
    process.pid = pid;
    for (std::size_t i = 1; i + 1 < words.size(); ++i) {
      if (words[i] == "-uuid") process.vm = VmId(std::string(words[i + 1]));
      if (words[i] == "-name") process.name = guest_name(words[i + 1]);
    }
    if (process.vm.empty()) return std::nullopt;
    bool zombie = false;
    const std::optional<std::uint64_t> started = start_time(read_file(folder + "/stat"), zombie);
    if (!started || zombie) return std::nullopt;
    process.started = *started;
    return process;
  }

  // The pidfd is opened first and the process looked at after: so it can't be another one with a reused pid.
  int open_pidfd(const QemuProcess& process) const {
    const int descriptor = static_cast<int>(syscall(SYS_pidfd_open, process.pid, 0));
    if (descriptor < 0) return -1;
    const std::optional<QemuProcess> now = look_at(process.pid);
    if (now && *now == process) return descriptor;
    close(descriptor);
    return -1;
  }

  const std::string root_;
};

}  // namespace

std::unique_ptr<QemuProcesses> make_qemu_processes(const std::string& proc_root) {
  return std::make_unique<ProcProcesses>(proc_root);
}

}  // namespace bascule::hostd
