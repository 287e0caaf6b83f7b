// Operations: every change that was asked for, by its request id, from the asking to the engine's Answer.
//
// The asker waits a bounded time; after it the operation goes on and can be read by its id. A request that is
// repeated by the same operator, the same in all and with its id, attaches to the operation that it began, so
// a lost answer costs nothing. Kept in memory: the latest kMost. Thread-safe.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <vector>

#include "api/views.h"
#include "failover/action.h"

namespace bascule::api {

class Operations {
 public:
  static constexpr std::size_t kMost = 4096;
  static constexpr std::size_t kMostWaiters = 64;            // for one operation
  using Waiter = std::function<void(const OperationView&)>;  // called once, when it has ended

  enum class Begun { now, before, by_another, refused };  // refused: kMost are running
  // `waiter` is kept in the first two cases, and called at once when the operation has ended already.
  // `digest` is of all that was asked.
  Begun begin(const RequestId& id, const std::string& what, const std::string& digest, const OperatorId& by,
              Waiter waiter);
  // The same for an operation that has begun; nothing when it isn't known.
  std::optional<Begun> attach(const RequestId& id, const std::string& digest, const OperatorId& by,
                              Waiter waiter);
  void forget_failed(const RequestId& id);  // nothing was done: it may begin again
  void finish(const Answer& answer);
  std::optional<OperationView> find(const RequestId& id) const;
  // Calls back when the operation ends, at once when it has; false when it isn't known or too many wait.
  bool wait(const RequestId& id, Waiter waiter);

 private:
  struct Operation {
    OperationView view;
    std::string digest;
    std::vector<Waiter> waiters;
  };
  bool make_room();  // with the mutex held

  mutable std::mutex mutex_;
  std::map<RequestId, Operation> operations_;
  std::deque<RequestId> order_;  // oldest first
};

}  // namespace bascule::api
