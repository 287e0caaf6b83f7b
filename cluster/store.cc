#include "cluster/store.h"

#include <algorithm>
#include <set>

namespace bascule {
namespace {

Status check_key(std::string_view key) {
  if (key.empty()) return failure(ErrorCode::invalid, "a key of the store is empty");
  if (key.size() > kLongestKey)
    return failure(ErrorCode::exhausted, "key " + std::string(key.substr(0, 40)) + "… has " +
                                             std::to_string(key.size()) + " bytes; at most " +
                                             std::to_string(kLongestKey) + " are stored");
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  if (std::any_of(key.begin(), key.end(), is_control))
    return failure(ErrorCode::invalid, "a key of the store holds a control character");
  return {};
}

Status check_count(std::size_t count, std::string_view what) {
  if (count <= kMostOperations) return {};
  return failure(ErrorCode::exhausted, "a transaction of " + std::to_string(count) + " " + std::string(what) +
                                           "; at most " + std::to_string(kMostOperations) +
                                           " fit: split the decision");
}

}  // namespace

Status check_transaction(const Transaction& transaction) {
  if (const Status s = check_count(transaction.puts.size() + transaction.deletes.size(), "operations"); !s)
    return s;
  if (const Status s = check_count(transaction.expect.size(), "expectations"); !s) return s;
  std::set<std::string_view> changed;
  std::size_t bytes = 0;
  const auto check_change = [&](std::string_view key, std::size_t value_size) -> Status {
    if (const Status s = check_key(key); !s) return s;
    if (!changed.insert(key).second)
      return failure(ErrorCode::invalid, "key " + std::string(key) + " stands twice in one transaction");
    if (value_size > kLargestValue)
      return failure(ErrorCode::exhausted, "the value of " + std::string(key) + " has " +
                                               std::to_string(value_size) + " bytes; at most " +
                                               std::to_string(kLargestValue) + " are stored");
    bytes += key.size() + value_size;
    return {};
  };
  for (const Expectation& expectation : transaction.expect)
    if (const Status s = check_key(expectation.key); !s) return s;
  for (const KeyValue& put : transaction.puts)
    if (const Status s = check_change(put.key, put.value.size()); !s) return s;
  for (const std::string& key : transaction.deletes)
    if (const Status s = check_change(key, 0); !s) return s;
  if (bytes > kLargestTransaction)
    return failure(ErrorCode::exhausted, "a transaction of " + std::to_string(bytes) + " bytes; at most " +
                                             std::to_string(kLargestTransaction) +
                                             " fit: split the decision");
  return {};
}

}  // namespace bascule
