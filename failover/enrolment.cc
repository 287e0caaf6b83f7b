#include "failover/enrolment.h"

#include <algorithm>

namespace bascule {
namespace {

constexpr std::int64_t kInvitation_ms = std::int64_t{3600} * 1000;
constexpr std::size_t kSerialsKept = 4;  // of host and guard, and of those before them

Host* host_for(Turn& turn, const Asked& asked, const char* what, const HostId& id) {
  if (Host* host = turn.find_host(id)) return host;
  turn.refuse(asked, what, "host/" + id.value,
              {ErrorCode::not_found, "no host " + id.value + ": add a [[host]] to manager.toml first"});
  return nullptr;
}

bool are_serials(const std::vector<std::string>& serials) {
  return serials.size() == 2 && std::none_of(serials.begin(), serials.end(), [](const std::string& serial) {
           return serial.empty() || serial.size() > 64;
         });
}

}  // namespace

void invite_host(Turn& turn, const InviteHost& asked) {
  Host* host = host_for(turn, asked.asked, "invite_host", asked.host);
  if (!host) return;
  host->record.invitation = HostInvitation{asked.invitation, {turn.wall.unix_ms + kInvitation_ms}};
  turn.touch(*host);
  turn.log(asked.asked, "invite_host", subject_of(*host), Reason::requested);
  turn.answer(asked.asked.request, asked.host.value);
}

void enrol_host(Turn& turn, const EnrolHost& asked) {
  Host* host = host_for(turn, asked.asked, "enrol_host", asked.host);
  if (!host) return;
  HostRecord& record = host->record;
  const bool good = record.invitation && record.invitation->secret == asked.invitation &&
                    turn.wall < record.invitation->until && are_serials(asked.serials);
  if (!good)
    return turn.refuse(asked.asked, "enrol_host", subject_of(*host),
                       {ErrorCode::unauthenticated, "this invitation is not, or no longer, good"});
  record.invitation.reset();
  record.expelled = false;
  record.serials = asked.serials;
  turn.touch(*host);
  turn.log(asked.asked, "enrol_host", subject_of(*host), Reason::requested, "",
           {{"host_certificate", asked.serials[0]}, {"guard_certificate", asked.serials[1]}});
  turn.answer(asked.asked.request, asked.host.value);
}

void renew_certificates(Turn& turn, const RenewCertificates& asked) {
  Host* host = host_for(turn, asked.asked, "renew_certificates", asked.host);
  if (!host) return;
  HostRecord& record = host->record;
  // One whose certificates were made by hand would lose those with the first that it gets here.
  if (record.expelled || record.serials.empty() || !are_serials(asked.serials))
    return turn.refuse(asked.asked, "renew_certificates", subject_of(*host),
                       {ErrorCode::denied, asked.host.value + " was expelled, or never joined: invite it"});
  // Those in use stay good until the new ones are.
  record.serials.insert(record.serials.begin(), asked.serials.begin(), asked.serials.end());
  if (record.serials.size() > kSerialsKept) record.serials.resize(kSerialsKept);
  turn.touch(*host);
  turn.log(asked.asked, "renew_certificates", subject_of(*host), Reason::requested, "",
           {{"host_certificate", asked.serials[0]}, {"guard_certificate", asked.serials[1]}});
  turn.answer(asked.asked.request, asked.host.value);
}

void expel_host(Turn& turn, const ExpelHost& asked) {
  Host* host = host_for(turn, asked.asked, "expel_host", asked.host);
  if (!host) return;
  host->record.expelled = true;
  host->record.serials.clear();
  host->record.invitation.reset();
  turn.touch(*host);
  turn.log(asked.asked, "expel_host", subject_of(*host), Reason::requested);
  turn.answer(asked.asked.request, asked.host.value);
}

std::string why_shut_out(const State& state, const HostId& host, const std::string& serial) {
  const auto found = state.hosts.find(host);
  if (found == state.hosts.end()) return "";  // not of the inventory: others say so, with better words
  const HostRecord& record = found->second.record;
  if (record.expelled) return host.value + " was expelled";
  const auto& serials = record.serials;
  const bool known = serials.empty() || std::find(serials.begin(), serials.end(), serial) != serials.end();
  return known ? "" : "certificate " + serial + " of " + host.value + " isn't one of those that count";
}

}  // namespace bascule
