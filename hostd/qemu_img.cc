#include "hostd/qemu_img.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <vector>

#include "base/json.h"

namespace bascule::hostd {
namespace {

constexpr std::size_t kLongestAnswer = 1024 * 1024;

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

// Its exit code; what it prints goes into `answer`, if there is one.
Result<int> run(std::vector<std::string> words, std::string* answer = nullptr) {
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

Error refusal(const std::string& path, const std::string& why) {
  return {ErrorCode::invalid, path + " " + why};
}

// As values of a file name of QEMU's: ':' ends one.
std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == ':' || c == '\\' || c == '@') out += '\\';
    out += c;
  }
  return out;
}

}  // namespace

// Its size is known to be sane, so it takes milliseconds.
Status create_qcow2(const std::string& path, std::uint64_t size_mib) {
  const auto code = run({"qemu-img", "create", "-q", "-f", "qcow2", path, std::to_string(size_mib) + "M"});
  if (!code) return failure(code.error());
  return *code == 0 ? Status() : failure(ErrorCode::internal, "qemu-img could not create " + path);
}

Result<ImageFile> inspect_image(const std::string& path) {
  // An absolute path is never taken for one of QEMU's protocols.
  std::error_code unknown;
  const std::string file = std::filesystem::absolute(path, unknown).string();
  if (!std::filesystem::is_regular_file(file, unknown)) return failure(refusal(path, "is no file"));
  std::string answer;
  const auto code =
      run({"prlimit", "--cpu=30", "--as=2147483648", "qemu-img", "info", "--output=json", file}, &answer);
  if (!code) return failure(code.error());
  const Result<json::Value> info = json::parse(answer);
  if (*code != 0 || !info || !info->is_object())
    return failure(refusal(path, "can't be read as a disk image by qemu-img"));
  ImageFile found{info->value("format", ""), info->value("virtual-size", std::uint64_t{0})};
  if (found.format != "raw" && found.format != "qcow2")
    return failure(refusal(path, "has format " + found.format + "; convert it to raw or qcow2 first"));
  if (info->value("encrypted", false)) return failure(refusal(path, "is encrypted"));
  const json::Value special = info->value("format-specific", json::Value::object());
  if (info->contains("backing-filename") ||
      special.value("data", json::Value::object()).contains("data-file"))
    return failure(refusal(path, "refers to another file; flatten it first: qemu-img convert -O raw"));
  if (found.bytes == 0) return failure(refusal(path, "is empty"));
  return found;
}

Status copy_to_rbd(const std::string& path, const ImageFile& file, const CephAddress& to,
                   const std::string& image) {
  const std::string target = "rbd:" + escaped(to.pool) + "/" + escaped(image) + ":id=" + escaped(to.user) +
                             ":conf=" + escaped(to.conf) + ":keyring=" + escaped(to.keyring);
  const auto code = run({"qemu-img", "convert", "-p", "-n", "--target-is-zero", "-W", "-f", file.format, "-O",
                         "raw", std::filesystem::absolute(path).string(), target});
  if (!code) return failure(code.error());
  return *code == 0 ? Status() : failure(ErrorCode::internal, "qemu-img could not copy " + path);
}

}  // namespace bascule::hostd
