#include "cluster/store.h"

#include <algorithm>
#include <charconv>
#include <set>

namespace bascule {
namespace {

std::string describe(Term term) { return std::to_string(term.value); }

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

Status check_term_change(const Transaction& transaction) {
  for (const std::string& key : transaction.deletes)
    if (key == kTermKey) return failure(ErrorCode::invalid, "the term can't be deleted: it only ever grows");
  for (const KeyValue& put : transaction.puts) {
    if (put.key != kTermKey) continue;
    const Result<Term> term = parse_term(put.value);
    if (!term || *term <= transaction.expect_term)
      return failure(ErrorCode::invalid, "the term only ever grows: it must be a number above " +
                                             describe(transaction.expect_term));
  }
  return {};
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
  if (const Status s = check_term_change(transaction); !s) return s;
  if (bytes > kLargestTransaction)
    return failure(ErrorCode::exhausted, "a transaction of " + std::to_string(bytes) + " bytes; at most " +
                                             std::to_string(kLargestTransaction) +
                                             " fit: split the decision");
  return {};
}

Result<Term> parse_term(const std::optional<std::string>& stored) {
  if (!stored) return Term(0);
  std::uint64_t number = 0;
  const char* end = stored->data() + stored->size();
  const auto [rest, error] = std::from_chars(stored->data(), end, number);
  if (stored->empty() || error != std::errc() || rest != end)
    return failure(ErrorCode::corrupt,
                   "the stored term is no number; restore the store from its last backup");
  return Term(number);
}

Status compare_term(const Transaction& transaction, Term stored) {
  if (stored == transaction.expect_term) return {};
  return failure(ErrorCode::conflict, "the term of leadership is " + describe(stored) + ", not " +
                                          describe(transaction.expect_term) +
                                          ": another manager leads, or led since");
}

Status compare_expectation(const Expectation& expectation, std::optional<Revision> stored) {
  if (stored == expectation.revision) return {};
  const auto words = [](const std::optional<Revision>& revision) {
    return revision ? "at revision " + std::to_string(revision->value) : std::string("absent");
  };
  return failure(ErrorCode::conflict,
                 expectation.key + " is " + words(stored) + ", not " + words(expectation.revision));
}

StoreChanges cut_changes(std::vector<StoreChange> rows, std::size_t limit, Revision now) {
  StoreChanges result{{}, now, false};
  for (StoreChange& row : rows) {
    if (result.changes.size() >= limit && row.revision != result.changes.back().revision) {
      result.more = true;
      result.through = result.changes.back().revision;
      break;
    }
    result.changes.push_back(std::move(row));
  }
  return result;
}

Status check_changes_after(Revision after, Revision forgotten) {
  if (after >= forgotten) return {};
  return failure(ErrorCode::not_found, "changes after revision " + std::to_string(after.value) +
                                           " are no longer remembered; read the prefix again");
}

}  // namespace bascule
