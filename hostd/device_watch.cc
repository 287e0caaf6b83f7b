#include "hostd/device_watch.h"

namespace bascule::hostd {

void DeviceWatch::look() {
  if (exception_in_force(exception_file_)) {
    // A standing alarm for as long as the file is there.
    agent_.raise("device", "exception", {}, exception_file_ + " suspends the device policy of this host");
  } else {
    agent_.clear("device", "exception", {});
    if (const Status locked = ports_.lock(); !locked)
      agent_.raise("device", "ports", {}, locked.error().message);
    else
      agent_.clear("device", "ports", {});
  }
  std::map<std::string, UsbDevice> now;
  for (const UsbDevice& device : ports_.devices()) now[device.port] = device;
  for (const auto& [port, device] : plugged_)
    if (!now.contains(port)) agent_.clear("device", "usb " + port, {});
  for (const auto& [port, device] : now)
    agent_.raise("device", "usb " + port, {},
                 "USB device at port " + port + ": " + device.vendor + ":" + device.product + " " +
                     device.name +
                     (device.serial.empty() ? ", no serial number" : ", serial number " + device.serial) +
                     (device.authorized ? ", authorized" : ", not authorized"));
  plugged_ = std::move(now);
}

}  // namespace bascule::hostd
