// Watchdog: the timer that restarts this host unless guard pets it. Only guard opens it.
//
// The real device is Linux's watchdog API. An emulated one is a FIFO that a program of the lab reads: each
// byte is a pet, the first one starts the timer, a 'V' stops it, and the program kills the "host" when no
// byte comes for the timeout. One thread.
#pragma once

#include <string>

#include "base/result.h"
#include "base/time.h"

namespace bascule::guard {

struct WatchdogSettings {
  std::string device = "/dev/watchdog";
  int timeout_s = 5;
  bool emulated = false;
};
template <class V>
void fields(V& v, WatchdogSettings& x) {
  v.optional("device", x.device);
  v.optional("timeout_s", x.timeout_s);
  v.optional("emulated", x.emulated);
}

class Watchdog {
 public:
  explicit Watchdog(WatchdogSettings settings);
  ~Watchdog();  // without 'V': an armed watchdog stays armed
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  // Opens the device, which starts its timer, sets the timeout and reads it back. Fails when the device is
  // missing, taken, or can't bite within the timeout asked for; an armed one is left alone.
  Status arm();
  // Starts the timer anew; false, and no longer armed, when the device refuses.
  bool pet();
  // Stops the timer. Only when no guest depends on it.
  void disarm();

  bool armed() const { return fd_ >= 0; }
  Duration timeout() const { return timeout_; }  // read back from the device

 private:
  Status read_back();
  void close();

  const WatchdogSettings settings_;
  int fd_ = -1;
  Duration timeout_{};
};

}  // namespace bascule::guard
