#include "hostd/usb_host.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

namespace bascule::hostd {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLongestText = 128;

// Texts come from the device, which may say anything.
std::string attribute(const fs::path& device, const char* name) {
  std::ifstream file(device / name);
  std::string text;
  std::getline(file, text);
  text.resize(std::min(text.size(), kLongestText));
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) > 0x7e) c = '?';
  return text;
}

std::vector<fs::path> entries(const std::string& folder) {
  std::vector<fs::path> paths;
  std::error_code problem;
  for (fs::directory_iterator at(folder, problem), end; !problem && at != end; at.increment(problem))
    paths.push_back(at->path());
  std::sort(paths.begin(), paths.end());
  return paths;
}

bool is_bus(const std::string& name) { return name.starts_with("usb"); }
bool is_interface(const std::string& name) { return name.find(':') != std::string::npos; }

}  // namespace

Status UsbPorts::lock() const {
  for (const fs::path& device : entries(folder_)) {
    if (!is_bus(device.filename())) continue;
    const std::string path = device / "authorized_default";
    std::ofstream file(path);
    file << "0" << std::flush;
    if (!file)
      return failure(ErrorCode::unavailable, path + " can't be written; USB devices would be accepted");
  }
  return {};
}

std::vector<UsbDevice> UsbPorts::devices() const {
  constexpr const char* kHubClass = "09";
  std::vector<UsbDevice> found;
  for (const fs::path& path : entries(folder_)) {
    const std::string name = path.filename();
    if (is_bus(name) || is_interface(name) || attribute(path, "bDeviceClass") == kHubClass) continue;
    UsbDevice device;
    device.port = name;
    device.vendor = attribute(path, "idVendor");
    device.product = attribute(path, "idProduct");
    device.serial = attribute(path, "serial");
    device.name = attribute(path, "manufacturer") + " " + attribute(path, "product");
    device.authorized = attribute(path, "authorized") == "1";
    if (!device.vendor.empty()) found.push_back(device);
  }
  return found;
}

bool exception_in_force(const std::string& path) {
  struct stat info {};
  if (lstat(path.c_str(), &info) != 0) return false;
  return S_ISREG(info.st_mode) && info.st_uid == 0 && (info.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

}  // namespace bascule::hostd
