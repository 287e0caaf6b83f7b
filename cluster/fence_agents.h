// Power fencing: hosts are switched off by their BMCs, and proved off.
//
// PowerFence is one BMC. Its verbs block for a bounded time (some 5 s a read, 40 s for off_verified at most)
// and may be called from any thread. Secrets go to child processes by a private file or standard input,
// never by argv or the environment. There is no reset and no cycle: neither proves anything.
//
// FenceAgents is the pool of threads that does this for many hosts, asynchronously.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <stop_token>
#include <string>
#include <variant>

#include "base/fields.h"
#include "base/id.h"
#include "base/result.h"
#include "base/secret.h"
#include "base/time.h"

namespace bascule {

// [host.bmc] of manager.toml.
struct BmcConfig {
  std::string agent =
      "ipmitool";  // or a program of the fence-agents package: "fence_ipmilan", "fence_redfish"
  std::string address;
  std::uint16_t port = 623;
  std::string user;
  std::string password_file;                   // mode 0600
  std::map<std::string, std::string> options;  // more for a fence agent: {plug = "3"}
  bool operator==(const BmcConfig&) const = default;
};
template <class V>
void fields(V& v, BmcConfig& x) {
  v.optional("agent", x.agent);
  v("address", x.address);
  v.optional("port", x.port);
  v.optional("user", x.user);
  v("password_file", x.password_file);
  v.optional("options", x.options);
}

// "address: holds a line break"; empty when it is sound. Doesn't touch files.
std::string problem_of(const BmcConfig& config);

enum class PowerState { off, on };
constexpr auto enum_names(PowerState) {
  return std::array{EnumName<PowerState>{PowerState::off, "off"}, EnumName<PowerState>{PowerState::on, "on"}};
}

// What off_verified() saw. It is evidence only if the identity is the one that was bound to the host.
struct PowerOffProof {
  std::string identity;  // read before the command and with either read, each time the same
  Instant first_off;     // when the first answer "off" was there
  Instant second_off;    // when the second read that answered "off" was asked, ≥ 1 s later
};

class PowerFence {
 public:
  virtual ~PowerFence() = default;

  // The BMC's GUID as 32 lower-case hexadecimal digits. `not_found`: this agent or BMC has none, so it can
  // never be bound to a host.
  virtual Result<std::string> identity(const std::stop_token& stop) = 0;
  virtual Result<PowerState> status(const std::stop_token& stop) = 0;

  // Hard off, then two reads. `denied`, and nothing was sent, when the BMC's identity is not `expected`
  // (which must be empty exactly where the agent has no identities). Any other error: not proved off; it may
  // be off or on.
  virtual Result<PowerOffProof> off_verified(const std::string& expected, const std::stop_token& stop) = 0;

  // Returns when the BMC has accepted the command. `denied` as above.
  virtual Status on(const std::string& expected, const std::stop_token& stop) = 0;
};

// Times of one BMC's conversation; tests shorten them.
struct FenceTimes {
  Duration read = 5s;         // one status or identity
  Duration command = 10s;     // one on or off
  Duration become_off = 10s;  // from the off command to the first "off"
  Duration between_reads = 1s;
};

// The agent named by the configuration. `clock` must outlive it.
Result<std::unique_ptr<PowerFence>> make_power_fence(const BmcConfig& config, const Clock& clock,
                                                     FenceTimes times = {});

enum class FenceVerb { identity, status, off_verified, on };

struct FenceRequest {
  ActionId action;
  HostId host;
  FenceVerb verb = FenceVerb::status;
  std::string expected;  // identity bound to the host; for off_verified and on
};

struct FenceOutcome {
  FenceRequest request;
  // identity: string; status: PowerState; off_verified: PowerOffProof; on: monostate
  Result<std::variant<std::monostate, std::string, PowerState, PowerOffProof>> result;
};

// Threads: request() from any thread; `done` is called on a thread of the pool, exactly once per accepted
// request unless the pool is destroyed first. Off and on are taken before reads, which never use more than
// half of the threads, so that many dead BMCs don't delay a fencing. The destructor kills running children.
class FenceAgents {
 public:
  using Done = std::function<void(FenceOutcome)>;

  FenceAgents(std::map<HostId, std::unique_ptr<PowerFence>> fences, std::size_t threads, Done done);
  ~FenceAgents();
  FenceAgents(const FenceAgents&) = delete;
  FenceAgents& operator=(const FenceAgents&) = delete;

  // `not_found`: no BMC is configured for this host. `exhausted`: too many wait already.
  Status request(FenceRequest request);

 private:
  class Pool;
  std::unique_ptr<Pool> pool_;
};

}  // namespace bascule
