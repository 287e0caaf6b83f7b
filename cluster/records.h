// Records: the engine's State as it stands in the store, one JSON text per key.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/fields.h"
#include "base/result.h"
#include "cluster/audit.h"
#include "cluster/request_log.h"
#include "cluster/store.h"
#include "failover/action.h"
#include "failover/step.h"

namespace bascule {

// A notice that waits to be accepted by a relay or gateway. Written in the transaction of the step that asked
// for it; cluster/outbox deletes it once every channel has taken it.
struct OutboxRecord {
  int version = 1;
  std::string id;  // never used twice, the same in every attempt: from it comes the Message-ID
  WallTime created;
  NoticeKind kind = NoticeKind::test;
  std::optional<IncidentId> incident;
  std::map<std::string, std::string> facts;
  std::vector<std::string> accepted;  // by these channels already: "mail", "sms"
};
template <class V>
void fields(V& v, OutboxRecord& x) {
  v("version", x.version);
  v("id", x.id);
  v("created", x.created);
  v("kind", x.kind);
  v.optional("incident", x.incident);
  v.optional("facts", x.facts);
  v.optional("accepted", x.accepted);
}

// Put by every commit of a manager under keys::kMarker and expected by the next: so a commit whose answer got
// lost can be told from one that never was, and no two managers write past each other.
struct CommitMarker {
  int version = 1;
  ManagerId manager;
  std::uint64_t number = 0;  // of this manager's commits
  AuditHead audit;
  std::uint64_t last_notice = 0;  // number of the last outbox record
};
template <class V>
void fields(V& v, CommitMarker& x) {
  v("version", x.version);
  v("manager", x.manager);
  v("number", x.number);
  v("audit", x.audit);
  v("last_notice", x.last_notice);
}

// All that a manager finds when it comes.
struct Loaded {
  Records records;
  std::vector<RequestLog::Known> requests;  // that are kept
  bool fresh = false;                       // there was no cluster record: a new database
  CommitMarker marker;
  std::optional<Revision> marker_revision;  // nothing: never written
  Term term;                                // under kTermKey
};

// Errors: `corrupt` names the key, what is wrong with it and what to do; those of Store::read.
Result<Loaded> load(Store& store);

// The record of a touched key as the State holds it now; nothing when the State no longer has it.
std::optional<std::string> encode_record(const State& state, const std::string& key);

KeyValue pair_of(const HostRecord& record);
KeyValue pair_of(const VmRecord& record);
std::string encode_text_of(const ClusterRecord& record);
std::string encode_text_of(const CommitMarker& marker);
std::string encode_text_of(const KeptRequest& record);
std::string encode_text_of(const OutboxRecord& record);
Result<CommitMarker> decode_marker(std::string_view text);
Result<OutboxRecord> decode_outbox(std::string_view text);

}  // namespace bascule
