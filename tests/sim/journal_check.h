// JournalCheck: what a journal would hold of a manager's life, written and read back step by step. Every
// decision must come of it again, with the same hash, also after State itself was read back.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cluster/manager.h"

namespace bascule::sim {

class JournalCheck {
 public:
  explicit JournalCheck(const Manager& manager);  // before its first turn

  // What came out otherwise, if anything.
  std::optional<std::string> follow(const std::vector<Stepped>& turn);

  // An event as it comes to a real manager, whose hosts speak JSON.
  static EventBody as_read(const EventBody& body);

 private:
  void read_back();

  Policy policy_;
  State state_;
  AuditHead audit_;
  int steps_ = 0;
};

}  // namespace bascule::sim
