#include "tests/sim/journal_check.h"

#include "base/ensure.h"
#include "base/json.h"
#include "cluster/journal_lines.h"

namespace bascule::sim {
namespace {

constexpr int kSegment = 100;  // steps

template <class T>
T through_text(const T& value) {
  Result<T> back = json::decode_text<T>(json::encode_text(value), json::Unknown::refuse);
  ensure(back.has_value(), back ? "" : back.error().message.c_str());
  return std::move(*back);
}

}  // namespace

JournalCheck::JournalCheck(const Manager& manager)
    : policy_(manager.policy()), state_(manager.state()), audit_(manager.audit_head()) {
  read_back();
}

EventBody JournalCheck::as_read(const EventBody& body) { return through_text(body); }

void JournalCheck::read_back() {
  JournalHeader header;
  header.policy = policy_;
  header.state = std::move(state_);
  header.audit = audit_;
  header = through_text(header);
  policy_ = header.policy;
  state_ = std::move(header.state);
  audit_ = header.audit;
  rebuild_indexes(state_);
}

std::optional<std::string> JournalCheck::follow(const std::vector<Stepped>& turn) {
  for (const Stepped& stepped : turn) {
    const auto line = through_text(JournalStep{stepped.at, stepped.event, stepped.audit});
    const AuditHead expected = line.audit.value_or(audit_);
    Outcome outcome = step(std::move(state_), line.event, line.at, policy_);
    state_ = std::move(outcome.next);
    for (const AuditRecord& record : outcome.audit) seal(audit_, line.event.wall, record);
    if (audit_.hash != expected.hash) {
      const std::string event = json::encode_text(line.event.body);
      audit_ = expected;
      return "journal: recomputed otherwise, audit " + std::to_string(expected.number) + ": " + event;
    }
    if (++steps_ % kSegment == 0) read_back();
  }
  return std::nullopt;
}

}  // namespace bascule::sim
