// Turn: one step under way. It gathers what the step wants done and keeps State's indexes true.
//
// Everything that changes a record goes through here, so that no change is left out of `touched` and no
// deadline is forgotten.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "failover/step.h"

namespace bascule {

class Turn {
 public:
  Turn(State& s, const Policy& p, Instant time, WallTime clock)
      : state(s), policy(p), now(time), wall(clock) {}

  State& state;
  const Policy& policy;
  const Instant now;
  const WallTime wall;
  std::vector<Action> actions;
  std::vector<AuditRecord> audit;
  Touched touched;

  Host* find_host(const HostId& id);
  Vm* find_vm(const VmId& id);

  // A record changed; its deadline is looked at again when the step ends. watch() is for live parts alone.
  void touch(const Host& host);
  void touch(const Vm& vm);
  void touch(const Incident& incident);
  void touch(const FailbackPlan& plan);
  void touch(const Tenant& tenant);
  void touch(const AccessSession& access);
  void touch(const TenantUser& user);
  void touch(const Token& token);
  void touch(const TenantImage& image);
  void watch(const Host& host) { watched_hosts_.insert(host.record.id); }
  void watch(const Vm& vm) { watched_vms_.insert(vm.record.spec.id); }
  bool full() const { return touched.size() >= 80; }  // a commit takes at most 100 operations

  void set_phase(Host& host, HostPhase phase, Reason reason);
  void set_phase(Vm& vm, VmPhase phase, Reason reason, std::string explanation);
  // The only way to change may_run; keeps vms_by_host and the hosts' committed memory.
  void set_may_run(Vm& vm, std::vector<Copy> may_run);
  void settings_changed(Vm& vm);  // those that people see and set
  void erase_vm(const VmId& id);

  using Facts = std::map<std::string, std::string>;
  void log(std::string what, const Host& host, Reason reason, std::string words = "", Facts facts = {});
  void log(std::string what, const Vm& vm, Reason reason, std::string words = "", Facts facts = {});
  void log(std::string what, std::string subject, Reason reason, std::string words = "", Facts facts = {});
  void log(const Asked& asked, std::string what, std::string subject, Reason reason, std::string words = "",
           Facts facts = {});

  void notify(NoticeKind kind, std::optional<IncidentId> incident, Facts facts);
  void answer(const RequestId& request, std::string subject);
  // Answers with an error and audits the refusal.
  void refuse(const Asked& asked, std::string what, std::string subject, Error error);

  ActionId new_action();
  std::uint64_t new_number();  // of incidents and plans: stored

  // Sends the VM's one outstanding command; an earlier one is forgotten.
  void command(Vm& vm, CommandKind kind, const Copy& to, Generation generation);
  // Stops a copy that may not run; its reply is only evidence.
  void forbid_aside(const VmId& vm, const Copy& to, Generation generation);
  void send_again(Vm& vm);  // the same command with the same id
  void forget_command(Vm& vm);
  // Answers the request that waits for the VM's operation, if one does.
  void answer_waiting(Vm& vm, std::optional<Error> error);

  void close();  // brings the deadline indexes up to date; last of a step

 private:
  void record(AuditRecord entry);
  std::set<HostId> watched_hosts_;
  std::set<VmId> watched_vms_;
};

std::string subject_of(const Host& host);
std::string subject_of(const Vm& vm);
std::string in_seconds(Duration duration);  // "3.2 s"
bool names_copy(const std::vector<Copy>& copies, const Copy& copy);
bool is_usable(const Host& host);  // up, with a session, not quarantined, not in a drill

}  // namespace bascule
