#include "hostd/qemu_img.h"

#include <array>
#include <filesystem>
#include <fstream>

#include "base/json.h"
#include "hostd/program.h"

namespace bascule::hostd {
namespace {

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
  const auto code =
      run_program({"qemu-img", "create", "-q", "-f", "qcow2", path, std::to_string(size_mib) + "M"});
  if (!code) return failure(code.error());
  return *code == 0 ? Status() : failure(ErrorCode::internal, "qemu-img could not create " + path);
}

Status copy_image(const std::string& path, const ImageFile& file, const std::string& to, DiskFormat format,
                  std::uint64_t size_mib) {
  const std::string kind(name_of(format));
  const auto copied = run_program({"qemu-img", "convert", "-q", "-f", file.format, "-O", kind, path, to});
  if (!copied) return failure(copied.error());
  if (*copied != 0) return failure(ErrorCode::internal, "qemu-img could not copy " + path);
  const auto grown =
      run_program({"qemu-img", "resize", "-q", "-f", kind, to, std::to_string(size_mib) + "M"});
  if (!grown) return failure(grown.error());
  return *grown == 0 ? Status() : failure(ErrorCode::internal, "qemu-img could not enlarge " + to);
}

// https://gitlab.com/qemu-project/qemu/-/blob/master/docs/interop/qcow2.txt
Status check_qcow2_alone(const std::string& path) {
  constexpr std::size_t kHeader = 104;
  std::ifstream file(path, std::ios::binary);
  std::array<char, kHeader> header{};
  file.read(header.data(), kHeader);
  if (file.bad() || !file.is_open()) return failure(ErrorCode::unavailable, path + " can't be read");
  const auto number = [&header](std::size_t at, std::size_t bytes) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < bytes; ++i) value = value << 8 | static_cast<unsigned char>(header[at + i]);
    return value;
  };
  constexpr std::uint64_t kQcow2Magic = 0x514649fb;
  constexpr std::uint64_t kExternalData = 4;
  const std::uint64_t version = number(4, 4);
  if (number(0, 4) != kQcow2Magic || version < 2 || version > 3)
    return failure(refusal(path, "is no qcow2 image"));
  const bool refers = number(8, 8) != 0 || (version == 3 && (number(72, 8) & kExternalData) != 0);
  if (refers) return failure(refusal(path, "refers to another file; flatten it first: qemu-img convert"));
  return {};
}

Result<ImageFile> inspect_image(const std::string& path) {
  // An absolute path is never taken for one of QEMU's protocols.
  std::error_code unknown;
  const std::string file = std::filesystem::absolute(path, unknown).string();
  if (!std::filesystem::is_regular_file(file, unknown)) return failure(refusal(path, "is no file"));
  std::string answer;
  const auto code = run_program(
      {"prlimit", "--cpu=30", "--as=2147483648", "qemu-img", "info", "--output=json", file}, &answer);
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
  const auto code = run_program({"qemu-img", "convert", "-p", "-n", "--target-is-zero", "-W", "-f",
                                 file.format, "-O", "raw", std::filesystem::absolute(path).string(), target});
  if (!code) return failure(code.error());
  return *code == 0 ? Status() : failure(ErrorCode::internal, "qemu-img could not copy " + path);
}

}  // namespace bascule::hostd
