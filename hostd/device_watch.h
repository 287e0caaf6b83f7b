// Keeps the host's USB ports locked, reports what is plugged in, and the exception from the device policy.
#pragma once

#include <map>
#include <string>

#include "hostd/agent.h"
#include "hostd/usb_host.h"

namespace bascule::hostd {

class DeviceWatch {
 public:
  DeviceWatch(Agent& agent, UsbPorts ports, std::string exception_file)
      : agent_(agent), ports_(std::move(ports)), exception_file_(std::move(exception_file)) {}

  void look();  // one round

 private:
  Agent& agent_;
  const UsbPorts ports_;
  const std::string exception_file_;
  std::map<std::string, UsbDevice> plugged_;  // by port
};

}  // namespace bascule::hostd
