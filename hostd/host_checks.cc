#include "hostd/host_checks.h"

#include <filesystem>

namespace bascule::hostd {
namespace fs = std::filesystem;

Status check_nothing_else_starts_guests(const std::string& root) {
  std::error_code problem;
  const fs::path autostart = root + "/etc/libvirt/qemu/autostart";
  for (fs::directory_iterator at(autostart, problem), end; !problem && at != end; at.increment(problem))
    if (at->path().extension() == ".xml")
      return failure(ErrorCode::conflict, "libvirt would start domain " + at->path().stem().string() +
                                              " at boot; run `virsh autostart --disable " +
                                              at->path().stem().string() + "`");
  // Without systemd the unit's links mean nothing.
  if (!fs::exists(root + "/run/systemd/system", problem)) return {};
  const fs::path unit = root + "/etc/systemd/system/multi-user.target.wants/libvirt-guests.service";
  if (fs::is_symlink(fs::symlink_status(unit, problem)))
    return failure(ErrorCode::conflict,
                   "libvirt-guests would start guests at boot; run `systemctl mask --now libvirt-guests`");
  return {};
}

}  // namespace bascule::hostd
