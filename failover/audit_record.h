// AuditRecord: one line of "who decided what about what, and why". Number and time are added when it is
// committed.
#pragma once

#include <map>
#include <string>

#include "base/fields.h"
#include "base/id.h"
#include "failover/reason.h"

namespace bascule {

struct AuditRecord {
  std::string actor;    // operator's name, or "engine"
  std::string what;     // a verb in snake_case: "fence_host", "start_vm", "hold", …
  std::string subject;  // "host/paris-1", "vm/<id>", "plan/<id>"
  Reason reason = Reason::requested;
  std::string words;                         // the operator's own reason, or the explanation
  std::string request;                       // request id; empty when none
  std::map<std::string, std::string> facts;  // evidence: what was seen
  TenantId tenant{};                         // who may read it too; empty: the provider alone
};
template <class V>
void fields(V& v, AuditRecord& x) {
  v("actor", x.actor);
  v("what", x.what);
  v("subject", x.subject);
  v("reason", x.reason);
  v.optional("words", x.words);
  v.optional("request", x.request);
  v.optional("facts", x.facts);
  v.optional("tenant", x.tenant);
}

}  // namespace bascule
