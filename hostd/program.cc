#include "hostd/program.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace bascule::hostd {
namespace {

constexpr std::size_t kLongestAnswer = 16 * 1024 * 1024;

int wait_for(pid_t child) {
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

std::string read_all(int source) {
  std::string text;
  char block[4096];
  ssize_t n = 0;
  while ((n = read(source, block, sizeof block)) != 0) {
    if (n < 0 && errno != EINTR) break;
    if (n > 0 && text.size() < kLongestAnswer) text.append(block, static_cast<std::size_t>(n));
  }
  return text;
}

}  // namespace

Result<int> run_program(std::vector<std::string> words, std::string* answer) {
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  int ends[2] = {-1, -1};
  if (answer && pipe2(ends, O_CLOEXEC) != 0)
    return failure(ErrorCode::unavailable, std::string("no pipe: ") + std::strerror(errno));
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  if (answer) posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  pid_t child = 0;
  const int problem = posix_spawnp(&child, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (answer) close(ends[1]);
  if (answer && problem == 0) *answer = read_all(ends[0]);
  if (answer) close(ends[0]);
  if (problem != 0)
    return failure(ErrorCode::unavailable, words[0] + " can't be run: " + std::strerror(problem));
  return wait_for(child);
}

}  // namespace bascule::hostd
