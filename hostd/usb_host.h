// The host's own USB ports: new devices are not authorized, and a device that is plugged in is reported.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace bascule::hostd {

struct UsbDevice {
  std::string port;     // "1-1.4"
  std::string vendor;   // "0781"
  std::string product;  // "5581"
  std::string serial;
  std::string name;  // manufacturer and product, as the device says
  bool authorized = false;
  bool operator==(const UsbDevice&) const = default;
};

// Below `root` ("" in production) lies sys/bus/usb/devices; a machine without it has no USB.
class UsbPorts {
 public:
  explicit UsbPorts(std::string root = "") : folder_(std::move(root) + "/sys/bus/usb/devices") {}

  // Writes 0 to authorized_default of every bus. The kernel then binds no driver to what is plugged in.
  Status lock() const;
  // What is plugged in; hubs that are part of the machine are left out.
  std::vector<UsbDevice> devices() const;

 private:
  const std::string folder_;
};

// The exception file, /etc/bascule/allow-devices. It counts only if root owns it and nobody else may write
// it.
bool exception_in_force(const std::string& path);

}  // namespace bascule::hostd
