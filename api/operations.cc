#include "api/operations.h"

#include <algorithm>

namespace bascule::api {

bool Operations::make_room() {
  if (operations_.size() < kMost) return true;
  const auto ended = std::find_if(order_.begin(), order_.end(), [this](const RequestId& id) {
    return operations_.at(id).view.state != OperationState::running;
  });
  if (ended == order_.end()) return false;
  operations_.erase(*ended);
  order_.erase(ended);
  return true;
}

Operations::Begun Operations::begin(const RequestId& id, const std::string& what, const std::string& digest,
                                    const OperatorId& by, Waiter waiter) {
  if (const auto before = attach(id, digest, by, waiter)) return *before;
  const std::lock_guard lock(mutex_);
  if (operations_.contains(id) || !make_room()) return Begun::refused;
  Operation operation;
  operation.view = {id, OperationState::running, what, "", by, std::nullopt};
  operation.digest = digest;
  operation.waiters.push_back(std::move(waiter));
  operations_.emplace(id, std::move(operation));
  order_.push_back(id);
  return Begun::now;
}

std::optional<Operations::Begun> Operations::attach(const RequestId& id, const std::string& digest,
                                                    const OperatorId& by, Waiter waiter) {
  OperationView ended;
  {
    const std::lock_guard lock(mutex_);
    const auto found = operations_.find(id);
    if (found == operations_.end()) return std::nullopt;
    Operation& operation = found->second;
    if (operation.view.by != by || operation.digest != digest) return Begun::by_another;
    if (operation.view.state == OperationState::running) {
      if (operation.waiters.size() >= kMostWaiters) return Begun::refused;
      operation.waiters.push_back(std::move(waiter));
      return Begun::before;
    }
    ended = operation.view;
  }
  waiter(ended);
  return Begun::before;
}

void Operations::forget_failed(const RequestId& id) {
  const std::lock_guard lock(mutex_);
  const auto found = operations_.find(id);
  if (found == operations_.end() || found->second.view.state != OperationState::failed) return;
  operations_.erase(found);
  order_.erase(std::find(order_.begin(), order_.end(), id));
}

void Operations::finish(const Answer& answer) {
  std::vector<Waiter> waiters;
  OperationView view;
  {
    const std::lock_guard lock(mutex_);
    const auto found = operations_.find(answer.request);
    if (found == operations_.end()) return;
    Operation& operation = found->second;
    operation.view.state = answer.error ? OperationState::failed : OperationState::done;
    operation.view.subject = answer.subject;
    operation.view.error = answer.error;
    waiters.swap(operation.waiters);
    view = operation.view;
  }
  for (const Waiter& waiter : waiters) waiter(view);
}

bool Operations::wait(const RequestId& id, Waiter waiter) {
  OperationView ended;
  {
    const std::lock_guard lock(mutex_);
    const auto found = operations_.find(id);
    if (found == operations_.end()) return false;
    if (found->second.view.state == OperationState::running) {
      if (found->second.waiters.size() >= kMostWaiters) return false;
      found->second.waiters.push_back(std::move(waiter));
      return true;
    }
    ended = found->second.view;
  }
  waiter(ended);
  return true;
}

std::optional<OperationView> Operations::find(const RequestId& id) const {
  const std::lock_guard lock(mutex_);
  const auto found = operations_.find(id);
  if (found == operations_.end()) return std::nullopt;
  return found->second.view;
}

}  // namespace bascule::api
