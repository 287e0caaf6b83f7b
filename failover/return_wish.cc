#include "failover/return_wish.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

namespace bascule {
namespace {

constexpr std::int64_t kLongest_ms = std::int64_t{31} * 24 * 3600 * 1000;

std::string text_of(WallTime at) {
  return fmt::format("{:%Y-%m-%d %H:%M} UTC", fmt::gmtime(static_cast<std::time_t>(at.unix_ms / 1000)));
}

}  // namespace

void wish_return(Turn& turn, const WishReturn& asked) {
  const auto refuse = [&](ErrorCode code, std::string words) {
    turn.refuse(asked.asked, "wish_return", "vm/" + asked.vm.value, {code, std::move(words)});
  };
  Vm* vm = turn.find_vm(asked.vm);
  if (!vm) return refuse(ErrorCode::not_found, "no VM " + asked.vm.value);
  VmRecord& record = vm->record;
  if (asked.asked.token.empty())
    return refuse(ErrorCode::denied, "it is its tenant's to say when it may be moved");
  if (!record.away) return refuse(ErrorCode::conflict, name_in_tenant(record.spec) + " is at home");
  if (record.failback)
    return refuse(ErrorCode::conflict, name_in_tenant(record.spec) + " is on its way home already");
  if (asked.not_before.unix_ms > turn.wall.unix_ms + kLongest_ms)
    return refuse(ErrorCode::invalid, "not_before: must be within 31 days");
  record.return_wish = ReturnWish{asked.not_before, asked.asked.by};
  turn.touch(*vm);
  const std::string against = why_postponed(record, turn.wall);
  turn.log(asked.asked, against.empty() ? "accept_return" : "postpone_return", subject_of(*vm),
           Reason::requested, "",
           {{"name", record.spec.name}, {"not_before", against.empty() ? "" : text_of(asked.not_before)}});
  turn.answer(asked.asked.request, asked.vm.value);
}

std::string why_postponed(const VmRecord& record, WallTime now) {
  const auto& wish = record.return_wish;
  if (!wish || wish->not_before <= now) return "";
  return fmt::format("its tenant ({}) asks that it isn't moved before {}", wish->by.value,
                     text_of(wish->not_before));
}

}  // namespace bascule
