// Evidence and receipts: the proof that a copy of a VM can no longer run.
//
// Evidence is a stored fact. A Receipt is minted from evidence, in fencing.cc only, after checking it against
// the present state; it is never stored, decoded or made by hand. What starts a VM elsewhere takes receipts
// for *every* copy that may run (StartElsewhere), so an unfenced restart doesn't compile. Source of the
// rules: DESIGN "the safety contract", repeated in failover/README.md.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "base/fields.h"
#include "base/id.h"
#include "base/result.h"
#include "base/time.h"

namespace bascule {

// One place where a VM may be running: a boot of a host.
struct Copy {
  HostId host;
  BootId boot_id;
  auto operator<=>(const Copy&) const = default;
};
template <class V>
void fields(V& v, Copy& x) {
  v("host", x.host);
  v("boot_id", x.boot_id);
}

// Hard off by a verified BMC, then two reads `off` at least a second apart. Never reset or cycle.
inline constexpr Duration kReadsApart = std::chrono::seconds(1);
struct PowerOffEvidence {
  static constexpr std::string_view kType = "power_off";
  Copy copy;             // all VMs of this boot
  std::string bmc_guid;  // read during the act; must be the one bound by the commissioning drill
  Duration reads_apart{};
  WallTime at;
};
// The leader stopped granting, `revoked` was committed, and a full manager_lapse has passed since.
struct LeaseLapsedEvidence {
  static constexpr std::string_view kType = "lease_lapsed";
  Copy copy;                          // all VMs of this boot
  std::uint64_t echoed_sequence = 0;  // of a grant in mode stop that an armed guard had echoed
  Duration lapse{};                   // waited after the commit
  WallTime at;
};
// hostd stored "generation ≤ g never starts here" and the QEMU process is gone.
struct HostWordEvidence {
  static constexpr std::string_view kType = "host_word";
  HostId host;     // every boot up to the one that spoke
  BootId boot_id;  // that spoke
  VmId vm;
  Generation generation;
  WallTime at;
};
// attest-down: a person answers for it.
struct OperatorEvidence {
  static constexpr std::string_view kType = "operator";
  Copy copy;
  OperatorId operator_id;
  std::optional<OperatorId> second;  // needed while contrary evidence is fresh
  std::string serial;                // of the machine, as the operator read it
  WallTime at;
};
using Evidence = std::variant<PowerOffEvidence, LeaseLapsedEvidence, HostWordEvidence, OperatorEvidence>;

template <class V>
void fields(V& v, PowerOffEvidence& x) {
  v("copy", x.copy);
  v("bmc_guid", x.bmc_guid);
  v("reads_apart_ms", x.reads_apart);
  v("at", x.at);
}
template <class V>
void fields(V& v, LeaseLapsedEvidence& x) {
  v("copy", x.copy);
  v("echoed_sequence", x.echoed_sequence);
  v("lapse_ms", x.lapse);
  v("at", x.at);
}
template <class V>
void fields(V& v, HostWordEvidence& x) {
  v("host", x.host);
  v("boot_id", x.boot_id);
  v("vm", x.vm);
  v("generation", x.generation);
  v("at", x.at);
}
template <class V>
void fields(V& v, OperatorEvidence& x) {
  v("copy", x.copy);
  v("operator", x.operator_id);
  v.optional("second", x.second);
  v("serial", x.serial);
  v("at", x.at);
}

struct State;
struct Policy;

// A proof, valid for one VM and one copy of it in this epoch.
class Receipt {
 public:
  const Copy& copy() const { return copy_; }
  const VmId& vm() const { return vm_; }
  Generation generation() const { return generation_; }  // no generation up to this one runs there
  const Evidence& evidence() const { return evidence_; }

 private:
  friend Result<Receipt> mint_receipt(const State&, const VmId&, const Copy&, Instant, const Policy&);
  Receipt(Copy copy, VmId vm, Generation generation, Evidence evidence)
      : copy_(std::move(copy)), vm_(std::move(vm)), generation_(generation), evidence_(std::move(evidence)) {}
  Copy copy_;
  VmId vm_;
  Generation generation_;
  Evidence evidence_;
};

// The receipt for one copy, from the stored evidence that is valid now; or why there is none.
Result<Receipt> mint_receipt(const State& state, const VmId& vm, const Copy& copy, Instant now,
                             const Policy& policy);

// Permission to start the next generation of a VM: exists only with a receipt for every copy that may run.
class StartElsewhere {
 public:
  // Fails, naming the first copy without a receipt.
  static Result<StartElsewhere> prove(const State& state, const VmId& vm, std::vector<Receipt> receipts);

  const VmId& vm() const { return vm_; }
  Generation next_generation() const { return generation_; }
  const std::vector<Receipt>& receipts() const { return receipts_; }

 private:
  StartElsewhere(VmId vm, Generation generation, std::vector<Receipt> receipts)
      : vm_(std::move(vm)), generation_(generation), receipts_(std::move(receipts)) {}
  VmId vm_;
  Generation generation_;
  std::vector<Receipt> receipts_;
};

}  // namespace bascule
