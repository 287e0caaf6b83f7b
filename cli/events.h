// Records of the audit on a terminal.
#pragma once

#include <cstdint>
#include <string>

#include "cli/document.h"
#include "cli/session.h"

namespace bascule::cli {

struct PageOptions {
  std::uint64_t after = 0;
  std::uint64_t limit = 100;
  bool follow = false;
  // Of the audit: exact; empty: any. Hours back; 0: all.
  std::string who, what, on, request;
  int hours = 0;
};

std::string facts_of(const Document& event);  // "host=paris-1 n=2"
int list_events(Session& session, const std::string& path, const PageOptions& options);

}  // namespace bascule::cli
