// /v1/vms/{id}/console: a ticket for a machine's serial line or screen. The console itself is a WebSocket.
#include "api/body.h"
#include "api/leave.h"
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

struct GlassBody {
  wire::ConsoleKind kind = wire::ConsoleKind::serial;
  std::optional<BrokenGlass> glass;  // its reason is what the tenant reads
};
template <class V>
void fields(V& v, GlassBody& x) {
  v.optional("kind", x.kind);
  v.optional("glass", x.glass);
}

void open(Api& api, Call call, Consoles::Wanted wanted, const std::string& reason) {
  OpenConsole event{call.asked(reason), wanted.vm, wanted.kind, wanted.granted,
                    wanted.glass ? wanted.glass->nonce : ""};
  api.submit(std::move(call), std::move(event), [&api, wanted](const Call& done, const Answer&) {
    const auto ticket = api.services().console(done.who(), wanted);
    if (!ticket) return done.refuse(problem_of(ticket.error()));
    const auto good = std::chrono::duration_cast<std::chrono::milliseconds>(Consoles::kTicket);
    const Ticket view{std::string(kConsolePath) + ticket->reveal(), {api.wall().unix_ms + good.count()}};
    done.answer(201, json::encode_text(view));
  });
}

void open_console(Api& api, Call call) {
  const SnapshotPointer snapshot = api.snapshot();
  const Vm* vm = vm_of(call, *snapshot);
  const auto body = vm ? body_of<ConsoleBody>(call) : std::nullopt;
  if (!body || !accept_reason(call, body->reason, !call.tenant.empty())) return;
  open(api, std::move(call), {vm->record.spec.id, body->kind, body->grant}, body->reason);
}

void open_granted_console(Api& api, Call call) {
  const SnapshotPointer snapshot = api.snapshot();
  const Vm* vm = vm_of(call, *snapshot);
  const auto body = vm ? body_of<ConsoleBody>(call) : std::nullopt;
  if (!body || !accept_reason(call, body->reason, false)) return;
  const VmId& id = vm->record.spec.id;
  if (const std::string problem = problem_of(body->grant, call, id); !problem.empty())
    return call.refuse_all({{"grant", problem}});
  Consoles::Wanted wanted{id, body->kind, body->grant};
  wanted.granted = true;
  open(api, std::move(call), std::move(wanted), body->reason);
}

void open_glass_console(Api& api, Call call) {
  const SnapshotPointer snapshot = api.snapshot();
  const Vm* vm = vm_of(call, *snapshot);
  const auto body = vm ? body_of<GlassBody>(call) : std::nullopt;
  if (!body) return;
  const VmId& id = vm->record.spec.id;
  if (const std::string problem = problem_of(body->glass, call, id, api.services().glass_keys);
      !problem.empty())
    return call.refuse_all({{"glass", problem}});
  if (!accept_reason(call, body->glass->reason, true)) return;
  Consoles::Wanted wanted{id, body->kind};
  wanted.glass = body->glass;
  open(api, std::move(call), std::move(wanted), body->glass->reason);
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
            gives<Ticket>,
            201,
            {},
            {409}}},
          {"POST", "/v1/vms/{id}/console/granted", for_staff(P::see_machines), Reach::machine,
           open_granted_console},
          {"POST", "/v1/vms/{id}/console/broken-glass", for_staff(P::see_machines), Reach::machine,
           open_glass_console}};
}

}  // namespace bascule::api
