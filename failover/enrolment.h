// Enrolment: how a host of the inventory gets its certificates, and how it loses them.
//
// An invitation is good once, for an hour. From the first certificates that it brings on, only those count
// that this cluster's authority gave to that host: their serials stand in its record. A host that was
// expelled has none, until it is invited again.
#pragma once

#include "failover/turn.h"

namespace bascule {

void invite_host(Turn& turn, const InviteHost& asked);
void enrol_host(Turn& turn, const EnrolHost& asked);  // by whoever has the invitation's secret
void renew_certificates(Turn& turn, const RenewCertificates& asked);  // by the host itself
void expel_host(Turn& turn, const ExpelHost& asked);

// Why a host's or its guard's certificate opens nothing; empty: it does.
std::string why_shut_out(const State& state, const HostId& host, const std::string& serial);

}  // namespace bascule
