#include "cluster/fence_agents_program.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

namespace bascule {
namespace {

constexpr std::size_t kMostOutput = 64 * 1024;
constexpr std::size_t kMostInput = 4096;  // fits any pipe, so that writing it never blocks
constexpr int kSliceMilliseconds = 20;    // between looks at the child and at `stop`

class File {
 public:
  File() = default;
  explicit File(int number) : number_(number) {}
  ~File() { close(); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int get() const { return number_; }
  void reset(int number) {
    close();
    number_ = number;
  }
  void close() {
    if (number_ >= 0) ::close(number_);
    number_ = -1;
  }

 private:
  int number_ = -1;
};

struct Pipe {
  File read_end;
  File write_end;
  bool open() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) return false;
    read_end.reset(ends[0]);
    write_end.reset(ends[1]);
    return true;
  }
};

Error system_error(const std::string& program, int code) {
  return {ErrorCode::unavailable, "can't run " + program + ": " + std::strerror(code)};
}

// The child leads a process group of its own, so that a Python agent's own children die with it.
int spawn(pid_t& child, std::vector<char*>& arguments, const Pipe& input, const Pipe& output,
          const Pipe& errors) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawnattr_init(&attributes);
  ::posix_spawn_file_actions_adddup2(&actions, input.read_end.get(), STDIN_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, output.write_end.get(), STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, errors.write_end.get(), STDERR_FILENO);
  sigset_t none;
  ::sigemptyset(&none);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setpgroup(&attributes, 0);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
  std::string path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  std::string language = "LC_ALL=C";
  std::string quiet = "PYTHONWARNINGS=ignore";
  std::array<char*, 4> environment = {path.data(), language.data(), quiet.data(), nullptr};
  const int code =
      ::posix_spawnp(&child, arguments[0], &actions, &attributes, arguments.data(), environment.data());
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&actions);
  return code;
}

// What a child writes to one of its two ends.
struct Stream {
  int file = -1;
  std::string text;
  bool ended = false;  // polling it on would only spin

  pollfd to_poll() const { return {ended ? -1 : file, POLLIN, 0}; }
  void take(short events) {
    if ((events & POLLIN) != 0)
      read_some();
    else if ((events & POLLHUP) != 0)
      ended = true;
  }
  void read_some() {
    std::array<char, 4096> buffer{};
    for (;;) {
      const ssize_t size = ::read(file, buffer.data(), buffer.size());
      if (size <= 0) return;
      const std::size_t room = kMostOutput - text.size();
      text.append(buffer.data(), std::min(room, static_cast<std::size_t>(size)));
    }
  }
};

Result<ProgramOutput> wait_for(pid_t child, Stream output, Stream errors, const std::string& program,
                               Duration limit, const std::stop_token& stop) {
  const SystemClock clock;  // of a wait for the machine, which no simulator replays
  const Instant deadline = clock.now() + limit;
  int status = 0;
  bool late = false;
  bool exited = false;
  while (!exited && !late && !stop.stop_requested()) {
    std::array<pollfd, 2> readable{output.to_poll(), errors.to_poll()};
    ::poll(readable.data(), readable.size(), kSliceMilliseconds);
    output.take(readable[0].revents);
    errors.take(readable[1].revents);
    siginfo_t info = {};
    exited = ::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
             info.si_pid == child;
    late = clock.now() >= deadline;
  }
  // Also after its exit: what it left behind in its group has nothing more to do. The child itself is not
  // reaped before, so the number can't belong to anyone else.
  ::kill(-child, SIGKILL);
  ::waitpid(child, &status, 0);
  output.read_some();
  errors.read_some();
  if (!exited && stop.stop_requested())
    return failure(ErrorCode::unavailable, program + " was cut off because the manager stops");
  if (!exited)
    return failure(ErrorCode::timeout,
                   program + " gave no answer within " +
                       std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(limit).count()) +
                       " ms and was killed");
  if (!WIFEXITED(status))
    return failure(ErrorCode::unavailable,
                   program + " was ended by signal " + std::to_string(WTERMSIG(status)));
  return ProgramOutput{WEXITSTATUS(status), std::move(output.text), std::move(errors.text)};
}

}  // namespace

Result<ProgramOutput> run_program(const std::vector<std::string>& argv, const std::string& input,
                                  Duration limit, const std::stop_token& stop) {
  if (argv.empty() || input.size() > kMostInput)
    return failure(ErrorCode::internal, "a program without a name, or with more than 4 KiB of input");
  Pipe in;
  Pipe out;
  Pipe errors;
  if (!in.open() || !out.open() || !errors.open()) return failure(system_error(argv[0], errno));
  for (const Pipe* pipe : {&out, &errors})
    if (::fcntl(pipe->read_end.get(), F_SETFL, O_NONBLOCK) != 0) return failure(system_error(argv[0], errno));
  // Written before there is a reader: a child that never reads can't block us, nor raise SIGPIPE.
  if (::write(in.write_end.get(), input.data(), input.size()) != static_cast<ssize_t>(input.size()))
    return failure(system_error(argv[0], errno));
  in.write_end.close();
  std::vector<std::string> texts = argv;
  std::vector<char*> arguments;
  for (std::string& text : texts) arguments.push_back(text.data());
  arguments.push_back(nullptr);
  pid_t child = -1;
  if (const int code = spawn(child, arguments, in, out, errors); code != 0)
    return failure(system_error(argv[0], code));
  in.read_end.close();
  out.write_end.close();
  errors.write_end.close();
  return wait_for(child, {out.read_end.get(), "", false}, {errors.read_end.get(), "", false}, argv[0], limit,
                  stop);
}

}  // namespace bascule
