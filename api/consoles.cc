// /v1/vms/{id}/console: a ticket for a machine's serial line or screen. The console itself is a WebSocket.
#include "api/body.h"
#include "api/routes.h"

namespace bascule::api {
namespace {

struct ConsoleBody {
  wire::ConsoleKind kind = wire::ConsoleKind::serial;
  std::string reason;
};
template <class V>
void fields(V& v, ConsoleBody& x) {
  v.optional("kind", x.kind);
  v.optional("reason", x.reason);
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

void open_console(Api& api, Call call) {
  const SnapshotPointer snapshot = api.snapshot();
  const Vm* vm = vm_of(call, *snapshot);
  if (!vm) return;
  const auto body = body_of<ConsoleBody>(call);
  if (!body || !accept_reason(call, body->reason, !call.tenant.empty())) return;
  const VmId id = vm->record.spec.id;
  OpenConsole event{call.asked(body->reason), id, body->kind};
  api.submit(std::move(call), std::move(event),
             [&api, id, kind = body->kind](const Call& done, const Answer&) {
               const auto ticket = api.services().console(done.who(), id, kind);
               if (!ticket) return done.refuse(problem_of(ticket.error()));
               const auto good = std::chrono::duration_cast<std::chrono::milliseconds>(Consoles::kTicket);
               const ConsoleTicket view{std::string(kConsolePath) + ticket->reveal(),
                                        {api.wall().unix_ms + good.count()}};
               done.answer(201, json::encode_text(view));
             });
}

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
            {409}}}};
}

}  // namespace bascule::api
