// Fault detector: from silence to a decision. A silent host is suspect; what its peers see of it says whether
// we may fence it, must wait, or must hold and call a person.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "failover/turn.h"

namespace bascule {

// What one peer says of a silent host.
enum class Sighting {
  sees,       // it answered the peer's probe within 1.5 heartbeats
  confirms,   // the peer's present report says: no answer for Policy::peer_silence()
  undecided,  // neither: the report is too old, or the silence too short
};
Sighting sighting_of(const Host& host, const Host& peer, Instant now, const Policy& policy);

struct Weighing {
  enum class Verdict { wait, hold, fence } verdict = Verdict::wait;
  Reason reason = Reason::heartbeats_missed;
  std::string words;
  std::map<std::string, std::string> facts;  // silence, and what each peer said
};
// Pure. To fence, each site that still has another host up must have a peer that confirms, one at least in
// all.
Weighing weigh(const State& state, const Host& host, Instant now, const Policy& policy);

// Silent hosts that are weighed: suspect, or held for a reason that time or a peer can lift.
bool is_weighed(const Host& host);

std::optional<Instant> detector_deadline(const State& state, const Host& host, Instant now,
                                         const Policy& policy);
void detector_due(Turn& turn, Host& host);  // its deadline has come
void weigh_again(Turn& turn, Host& host);   // a peer told something new of a weighed host
void hold(Turn& turn, Host& host, Reason reason, std::string words, Turn::Facts facts = {});
void heard(Turn& turn, Host& host);  // a message of its present boot came
void end_isolation(Turn& turn);      // a host is heard again: the silence of the others was ours
void restart_detectors(Turn& turn, Duration stall);

}  // namespace bascule
