#include "base/real_time.h"

#include <sched.h>

#include <cerrno>
#include <cstring>

namespace bascule {

Status run_in_real_time(int priority) {
  sched_param parameters{};
  parameters.sched_priority = priority;
  if (::sched_setscheduler(0, SCHED_RR, &parameters) == 0) return {};
  return failure(ErrorCode::denied, std::string("real-time priority: ") + std::strerror(errno));
}

}  // namespace bascule
