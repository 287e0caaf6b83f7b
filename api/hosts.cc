// /v1/hosts: what the hypervisors are, and what an operator does to one.
#include <cmath>

#include "api/body.h"
#include "api/represent.h"
#include "api/routes.h"
#include "base/sha256.h"

namespace bascule::api {
namespace {

struct PowerBody {
  bool on = true;
  std::string reason;
};
template <class V>
void fields(V& v, PowerBody& x) {
  v("on", x.on);
  v.optional("reason", x.reason);
}

struct AttestBody {
  std::string serial;
  BootId boot_id;
  std::string reason;
};
template <class V>
void fields(V& v, AttestBody& x) {
  v("serial", x.serial);
  v("boot_id", x.boot_id);
  v.optional("reason", x.reason);
}

// The host that the path names; refuses the call when there is none.
const Host* host_of(const Call& call, const Snapshot& snapshot) {
  const std::string& name = call.path.at("id");
  const auto found = snapshot.state.hosts.find(HostId(name));
  if (found != snapshot.state.hosts.end()) return &found->second;
  call.refuse(ErrorCode::not_found, "there is no host " + name + "; `bascule host list` shows all");
  return nullptr;
}

HostView view_of(const Api& api, const Call& call, const Snapshot& snapshot, const Host& host) {
  HostView view = host_view(snapshot.state, snapshot.policy, host, call.who());
  const Metrics::Series measured = api.services().host_now(host.record.id);
  if (measured.now) {
    const auto whole = [](double value) { return static_cast<std::uint64_t>(std::llround(value)); };
    const Rates& rates = measured.now->rates;
    view.network = {whole(rates.received), whole(rates.sent), measured.link};
  }
  return view;
}

void list_hosts(Api& api, Call call) {
  const SnapshotPointer snapshot = api.snapshot();
  List<HostView> list;
  for (const auto& [id, host] : snapshot->state.hosts)
    list.items.push_back(view_of(api, call, *snapshot, host));
  call.answer(200, json::encode_text(list));
}

void show_host(Api& api, Call call) {
  const SnapshotPointer snapshot = api.snapshot();
  const Host* host = host_of(call, *snapshot);
  if (host) call.answer(200, json::encode_text(view_of(api, call, *snapshot, *host)));
}

void clear_host(Api& api, Call call) {
  const SnapshotPointer snapshot = api.snapshot();
  const Host* host = host_of(call, *snapshot);
  if (!host) return;
  const auto body = body_of<ReasonBody>(call);
  if (!body || !accept_reason(call, body->reason, true)) return;
  ClearHost event{call.asked(body->reason), host->record.id};
  api.change(std::move(call), "clear_host", std::move(event));
}

void power_host(Api& api, Call call) {
  const SnapshotPointer snapshot = api.snapshot();
  const Host* host = host_of(call, *snapshot);
  if (!host) return;
  const auto body = body_of<PowerBody>(call);
  if (!body || !accept_reason(call, body->reason, true)) return;
  PowerHost event{call.asked(body->reason), host->record.id, body->on};
  api.change(std::move(call), body->on ? "power_on_host" : "power_off_host", std::move(event));
}

struct HostInvitationView {
  HostId host;
  std::string invitation;   // shown this once
  std::string manager;      // where the host joins
  std::string fingerprint;  // of the manager's certificate
  WallTime until;
};
template <class V>
void fields(V& v, HostInvitationView& x) {
  v("host", x.host);
  v("invitation", x.invitation);
  v("manager", x.manager);
  v("fingerprint", x.fingerprint);
  v("until", x.until);
}

void invite_host(Api& api, Call call) {
  const SnapshotPointer snapshot = api.snapshot();
  const Host* host = host_of(call, *snapshot);
  if (!host) return;
  const auto body = body_of<ReasonBody>(call);
  if (!body || !accept_reason(call, body->reason, false)) return;
  if (api.services().join_address.empty())
    return call.refuse(
        ErrorCode::conflict,
        "this manager gives no certificates: manager.toml has no [authority]; docs/install.md says how "
        "to make them by hand");
  const Secret secret = api.new_secret();
  const HostId id = host->record.id;
  InviteHost event{call.asked(body->reason), id, sha256_hex(secret.reveal())};
  api.submit(std::move(call), std::move(event), [&api, id, secret](const Call& done, const Answer&) {
    const SnapshotPointer after = api.snapshot();
    const auto& invitation = after->state.hosts.at(id).record.invitation;
    const WallTime until = invitation ? invitation->until : WallTime();
    const Services& services = api.services();
    done.answer(201, json::encode_text(HostInvitationView{id, secret.reveal(), services.join_address,
                                                          services.fingerprint, until}));
  });
}

void expel_host(Api& api, Call call) {
  const SnapshotPointer snapshot = api.snapshot();
  const Host* host = host_of(call, *snapshot);
  if (!host) return;
  const auto body = body_of<ReasonBody>(call);
  if (!body || !accept_reason(call, body->reason, true)) return;
  ExpelHost event{call.asked(body->reason), host->record.id};
  api.change(std::move(call), "expel_host", std::move(event));
}

void drill_host(Api& api, Call call) {
  const SnapshotPointer snapshot = api.snapshot();
  const Host* host = host_of(call, *snapshot);
  if (!host) return;
  const auto body = body_of<ReasonBody>(call);
  if (!body || !accept_reason(call, body->reason, false)) return;
  DrillHost event{call.asked(body->reason), host->record.id};
  api.change(std::move(call), "drill_host", std::move(event));
}

void attest_down(Api& api, Call call) {
  const SnapshotPointer snapshot = api.snapshot();
  const Host* host = host_of(call, *snapshot);
  if (!host) return;
  const auto body = body_of<AttestBody>(call);
  if (!body || !accept_reason(call, body->reason, true)) return;
  std::vector<FieldProblem> problems;
  if (body->serial.empty() || body->serial.size() > 128)
    problems.push_back({"serial", "must be the machine's serial, at most 128 bytes"});
  if (!is_valid_uuid(body->boot_id.value)) problems.push_back({"boot_id", "must be a lower-case UUID"});
  if (!problems.empty())
    return call.refuse(ErrorCode::invalid, problems[0].path + ": " + problems[0].problem, problems);
  const Attestation attestation{call.by, body->serial, body->boot_id};
  AttestDown event{call.asked(body->reason), host->record.id, body->serial, body->boot_id, {}};
  event.second = api.first_signature(host->record.id, attestation, snapshot->policy.attest_validity);
  api.change(std::move(call), "attest_down", std::move(event));
}

}  // namespace

std::vector<Route> host_routes() {
  using P = Permission;
  return {{"GET", "/v1/hosts", for_staff(P::see_fleet), Reach::fleet, list_hosts},
          {"GET", "/v1/hosts/{id}", for_staff(P::see_fleet), Reach::fleet, show_host},
          {"POST", "/v1/hosts/{id}/clear", for_staff(P::operate_hosts), Reach::fleet, clear_host},
          {"POST", "/v1/hosts/{id}/power", for_staff(P::operate_hosts), Reach::fleet, power_host},
          {"POST", "/v1/hosts/{id}/invitation", for_staff(P::operate_hosts), Reach::fleet, invite_host},
          {"POST", "/v1/hosts/{id}/expel", for_staff(P::operate_hosts), Reach::fleet, expel_host},
          {"POST", "/v1/hosts/{id}/drill", for_staff(P::operate_hosts), Reach::fleet, drill_host},
          {"POST", "/v1/hosts/{id}/attest-down", for_staff(P::operate_hosts), Reach::fleet, attest_down}};
}

}  // namespace bascule::api
