#include "failover/enrolment.h"

#include <algorithm>

namespace bascule {
namespace {

constexpr std::int64_t kInvitation_ms = std::int64_t{3600} * 1000;
Host* host_for(Turn& turn, const Asked& asked, const char* what, const HostId& id) {
  if (Host* host = turn.find_host(id)) return host;
  turn.refuse(asked, what, "host/" + id.value,
              {ErrorCode::not_found, "no host " + id.value + ": add a [[host]] to manager.toml first"});
  return nullptr;
}

// Host's and guard's certificate of one issue stand one after the other.
std::vector<std::string> pair_with(const std::vector<std::string>& serials, const std::string& one) {
  for (std::size_t i = 0; i + 1 < serials.size(); i += 2)
    if (serials[i] == one || serials[i + 1] == one) return {serials[i], serials[i + 1]};
  return {one, one};
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
  if (record.expelled || !are_serials(asked.serials))
    return turn.refuse(asked.asked, "renew_certificates", subject_of(*host),
                       {ErrorCode::denied, asked.host.value + " was expelled: invite it again"});
  // Those in use stay good: the answer to this may never arrive.
  std::vector<std::string> counting = asked.serials;
  const std::vector<std::string> in_use = pair_with(record.serials, asked.present);
  counting.insert(counting.end(), in_use.begin(), in_use.end());
  record.serials = std::move(counting);
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
