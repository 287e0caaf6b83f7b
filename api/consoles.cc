// /v1/vms/{id}/console: a ticket for a machine's serial line or screen. The console itself is a WebSocket.
#include "api/body.h"
#include "api/routes.h"

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

void open(Api& api, Call call, bool granted) {
  const SnapshotPointer snapshot = api.snapshot();
  const Vm* vm = vm_of(call, *snapshot);
  if (!vm) return;
  const auto body = body_of<ConsoleBody>(call);
  if (!body || !accept_reason(call, body->reason, !call.tenant.empty())) return;
  if (granted && !body->grant) return call.refuse_all({{"grant", "is missing: its tenant gives one"}});
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
