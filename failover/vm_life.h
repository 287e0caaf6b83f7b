// The life of a VM on hosts: commands, their answers, and what hosts report of domains.
#pragma once

#include "failover/turn.h"

namespace bascule {

// Starts the next generation. The permit is the proof that no other copy can run; it is taken by value and
// only StartElsewhere::prove makes one.
void launch(Turn& turn, StartElsewhere permit, const HostId& to, Reason reason, std::string words);

void forget_vm(Turn& turn, Vm& vm);  // its copies have ended: delete it

void on_reply(Turn& turn, const Copy& from, const wire::CommandReply& reply);
// `cause` is absent in the reports of a Hello.
void on_domain(Turn& turn, Host& host, const wire::DomainReport& report,
               std::optional<wire::DomainCause> cause);
// A Hello of a boot on which the VM may run doesn't name it.
void on_missing_domain(Turn& turn, Host& host, Vm& vm);
void vm_due(Turn& turn, Vm& vm);  // no answer to its command within the time

}  // namespace bascule
