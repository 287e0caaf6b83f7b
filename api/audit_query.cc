#include "api/audit_query.h"

#include "api/body.h"
#include "api/represent.h"

namespace bascule::api {
namespace {

std::string text_of(const Call& call, const char* name) {
  const auto found = call.query.find(name);
  return found == call.query.end() ? "" : found->second;
}

// "vm/shop-1" as "vm/<id>".
std::string subject_meant(const Call& call, const State& state, const std::string& on) {
  if (!on.starts_with("vm/")) return on;
  const Vm* vm = find_vm(state, on.substr(3), call.tenant);
  return vm && may_see(state, call.who(), *vm) ? "vm/" + vm->record.spec.id.value : on;
}

// False, and the call is refused, when it is no number.
bool read_time(const Call& call, const char* name, std::optional<WallTime>& time) {
  if (!call.query.contains(name)) return true;
  const auto ms = number_of(call, name, 0, INT64_MAX);
  if (ms) time = WallTime{static_cast<std::int64_t>(*ms)};
  return ms.has_value();
}

}  // namespace

bool AuditQuery::matches(const AuditEntry& entry) const {
  const AuditRecord& record = entry.record;
  const auto fits = [](const std::string& wanted, const std::string& given) {
    return wanted.empty() || wanted == given;
  };
  return fits(who, record.actor) && fits(what, record.what) && fits(on, record.subject) &&
         fits(request, record.request) && (!since || entry.at >= *since) && !is_over(entry);
}

std::optional<AuditQuery> audit_query_of(const Call& call, const State& state) {
  AuditQuery query;
  const auto after = number_of(call, "after", 0, UINT64_MAX);
  if (!after) return std::nullopt;
  const auto limit = number_of(call, "limit", query.limit, kMostAuditEntries);
  if (!limit || !read_time(call, "since", query.since) || !read_time(call, "until", query.until))
    return std::nullopt;
  query.after = *after;
  query.limit = *limit;
  query.who = text_of(call, "who");
  query.what = text_of(call, "what");
  query.on = subject_meant(call, state, text_of(call, "on"));
  query.request = text_of(call, "request");
  return query;
}

Result<std::uint64_t> last_entry_before(const Services& services, WallTime since, std::uint64_t last) {
  std::uint64_t low = 0, high = last;
  while (low < high) {
    const std::uint64_t middle = low + (high - low + 1) / 2;
    const auto entries = services.audit(middle - 1, 1);
    if (!entries) return failure(entries.error());
    if (!entries->empty() && entries->front().at < since)
      low = middle;
    else
      high = middle - 1;
  }
  return low;
}

}  // namespace bascule::api
