// /v1/vms/{id}/console: a ticket for a machine's serial line or screen. The console itself is a WebSocket.
#include "api/body.h"
#include "api/routes.h"
#include "base/signing.h"

namespace bascule::api {
namespace {

struct ConsoleBody {
  wire::ConsoleKind kind = wire::ConsoleKind::serial;
  std::string reason;
  std::optional<Grant> grant;  // signed by the tenant's key: a delivered machine's host wants one
};
template <class V>
void fields(V& v, ConsoleBody& x) {
  v.optional("kind", x.kind);
  v.optional("reason", x.reason);
  v.optional("grant", x.grant);
}

struct ConsoleTicket {
  std::string path;  // of the WebSocket, good once
  WallTime expires;
};
template <class V>
void fields(V& v, ConsoleTicket& x) {
  v("path", x.path);
  v("expires", x.expires);
}

// What can be told without knowing whose the key is, which the machine's host does: so that nobody's audit
// says "granted" of what nobody signed.
std::string problem_of_grant(const ConsoleBody& body, const Call& call, const Vm& vm) {
  if (!body.grant) return "is missing: its tenant gives one";
  const Grant& grant = *body.grant;
  if (grant.vm != vm.record.spec.id) return "is for another machine";
  if (grant.who != call.by) return "is for " + grant.who.value + ", not for " + call.by.value;
  if (!check_signature(signed_text(grant), grant.signature, grant.pin.key))
    return "its signature is not of that text by that key";
  return "";
}

void open(Api& api, Call call, bool granted) {
  const SnapshotPointer snapshot = api.snapshot();
  const Vm* vm = vm_of(call, *snapshot);
  if (!vm) return;
  const auto body = body_of<ConsoleBody>(call);
  if (!body || !accept_reason(call, body->reason, !call.tenant.empty())) return;
  if (const std::string problem = granted ? problem_of_grant(*body, call, *vm) : ""; !problem.empty())
    return call.refuse_all({{"grant", problem}});
  Consoles::Wanted wanted{vm->record.spec.id, body->kind, body->grant, granted};
  OpenConsole event{call.asked(body->reason), wanted.vm, wanted.kind, granted};
  api.submit(std::move(call), std::move(event), [&api, wanted](const Call& done, const Answer&) {
    const auto ticket = api.services().console(done.who(), wanted);
    if (!ticket) return done.refuse(problem_of(ticket.error()));
    const auto good = std::chrono::duration_cast<std::chrono::milliseconds>(Consoles::kTicket);
    const ConsoleTicket view{std::string(kConsolePath) + ticket->reveal(),
                             {api.wall().unix_ms + good.count()}};
    done.answer(201, json::encode_text(view));
  });
}

void open_console(Api& api, Call call) { open(api, std::move(call), false); }
void open_granted_console(Api& api, Call call) { open(api, std::move(call), true); }

}  // namespace

std::vector<Route> console_routes() {
  using P = Permission;
  return {{"POST",
           "/v1/vms/{id}/console",
           for_both(P::use_console),
           Reach::machine,
           open_console,
           {"open_console",
            "A ticket for its serial line (bytes) or screen (RFB), which a WebSocket at that path opens "
            "within 30 s",
            takes<ConsoleBody>,
            gives<ConsoleTicket>,
            201,
            {},
            {409}}},
          {"POST", "/v1/vms/{id}/console/granted", for_staff(P::see_machines), Reach::machine,
           open_granted_console}};
}

}  // namespace bascule::api
