// UsageMeter: looks now and then at what the host and its guests use; the session takes the newest look
// along. look() blocks on the hypervisor, take() never.
#pragma once

#include <mutex>
#include <optional>

#include "base/time.h"
#include "base/wire_usage.h"
#include "hostd/hypervisor.h"

namespace bascule::hostd {

class UsageMeter {
 public:
  UsageMeter(Hypervisor& hypervisor, const Clock& clock) : hypervisor_(hypervisor), clock_(clock) {}

  void look();
  std::optional<wire::Usage> take();  // once each; nothing when there is no new one

 private:
  Hypervisor& hypervisor_;
  const Clock& clock_;  // now() is CLOCK_BOOTTIME
  std::mutex mutex_;
  std::optional<wire::Usage> newest_;
};

}  // namespace bascule::hostd
