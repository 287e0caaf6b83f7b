// Hypervisor: what hostd asks of libvirt, in thirteen verbs. Two implementations: libvirt.h,
// hypervisor_fake.h.
//
// All members may be called from any thread. Calls block: until the hypervisor answers, or until keepalive
// declares it dead (about 4 s); a caller that must not wait asks connected() and works from what it knows.
// Errors: not_found (no such domain), conflict (its state forbids it), unavailable (no connection; nothing
// was sent), unknown_outcome (the connection broke while the answer was awaited), internal (its own words).
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/id.h"
#include "base/result.h"
#include "base/secret.h"
#include "base/time.h"

namespace bascule::hostd {

enum class RunState { running, paused, paused_io_error, dying };

// A key of a disk, in the hypervisor's memory while the guest is started: never in argv, definitions or on
// disk.
struct DiskSecret {
  std::string uuid;
  std::string usage;  // its unique name
  Secret key;         // base64
};

// A domain that has a QEMU process.
struct Domain {
  VmId vm;                // its UUID
  std::string name;       // "bascule-web-1" when protected
  Generation generation;  // from our metadata; 0 when there is none
  RunState state = RunState::running;
};

enum class DomainEventKind {
  started,
  resumed,
  paused,
  paused_io_error,
  shutdown_by_guest,
  destroyed,  // by somebody's request to libvirt
  crashed,
  device_added
};

struct DomainEvent {
  VmId vm;
  DomainEventKind kind = DomainEventKind::started;
};

// Called on the hypervisor's own thread: return at once, never call the hypervisor from here.
struct HypervisorEvents {
  std::function<void(const DomainEvent&)> on_domain;
  std::function<void(bool connected, const std::string& why)> on_connection;
};

// What a guest has used since its QEMU began; but for its memory: bytes of the host's, now.
struct DiskUse {
  std::uint64_t reads = 0;
  std::uint64_t writes = 0;
  std::uint64_t read = 0;     // bytes
  std::uint64_t written = 0;  // bytes
};
struct GuestUse {
  Duration cpu{};  // of one CPU at work
  std::uint64_t memory = 0;
  std::vector<DiskUse> disks;  // in the order of its definition
  std::uint64_t received = 0;  // bytes, from the network
  std::uint64_t sent = 0;
};

class Hypervisor {
 public:
  virtual ~Hypervisor() = default;
  virtual void subscribe(HypervisorEvents events) = 0;  // once, before the first call
  virtual bool connected() const = 0;
  virtual Result<std::vector<Domain>> list() = 0;
  virtual Result<std::string> xml(const VmId& vm) = 0;  // the live definition
  // Transient; the guest has not run yet.
  virtual Status start_paused(const std::string& xml, const std::vector<DiskSecret>& secrets) = 0;
  virtual Status resume(const VmId& vm) = 0;
  virtual Status shutdown(const VmId& vm) = 0;  // asks the guest; returns at once
  virtual Status kill(const VmId& vm) = 0;      // returns when QEMU is gone
  virtual Status grow(const VmId& vm, std::size_t disk,
                      std::uint64_t bytes) = 0;  // seen by the guest at once
  // Of the disks alone, or of everything. Guests that are busy with another request aren't among them.
  enum class Uses { disks, all };
  virtual Result<std::map<VmId, GuestUse>> usage(Uses what) = 0;
  virtual Result<std::string> qmp(const VmId& vm, const std::string& command) = 0;  // JSON in, JSON out
  virtual Result<std::vector<std::string>> autostarted() = 0;  // names of persistent domains set to autostart
};

}  // namespace bascule::hostd
