#include "cluster/request_log.h"

#include <algorithm>

#include "base/json.h"
#include "cluster/keys.h"

namespace bascule {
namespace {

const Asked* asked_of(const Event& event) {
  return std::visit(
      [](const auto& body) -> const Asked* {
        if constexpr (requires { body.asked; }) return &body.asked;
        return nullptr;
      },
      event.body);
}

}  // namespace

Result<std::optional<KeptRequest>> read_request(Store& store, const RequestId& id) {
  const std::string key = keys::request(id);
  const Result<StoreSnapshot> found = store.read(key);
  if (!found) return failure(found.error());
  if (found->pairs.empty()) return std::optional<KeptRequest>();
  auto kept = json::decode_text<KeptRequest>(found->pairs.front().value, json::Unknown::tolerate);
  if (!kept) return failure(kept.error().within("the record \"" + key + "\""));
  return std::optional(*std::move(kept));
}

RequestLog::RequestLog(std::vector<Known> stored) : kept_(stored.begin(), stored.end()) {
  std::sort(kept_.begin(), kept_.end(),
            [](const Known& a, const Known& b) { return a.began.unix_ms < b.began.unix_ms; });
}

void RequestLog::note(const Event& event, const std::vector<Action>& actions,
                      std::map<std::string, KeptRequest>& puts) {
  const Asked* asked = asked_of(event);
  const bool begins = asked && !asked->digest.empty();
  if (begins) {
    KeptRequest kept;
    kept.id = asked->request;
    kept.by = asked->by;
    kept.digest = asked->digest;
    kept.began = event.wall;
    running_[kept.id] = kept;
  }
  for (const Action& action : actions) {
    const auto* answer = std::get_if<Answer>(&action);
    const auto found = answer ? running_.find(answer->request) : running_.end();
    if (found == running_.end()) continue;
    KeptRequest kept = std::move(found->second);
    running_.erase(found);
    const bool at_once = begins && kept.id == asked->request;
    if (at_once && answer->error) continue;  // nothing was done: it may be asked again
    kept.ended = true;
    kept.subject = answer->subject;
    kept.error = answer->error;
    if (at_once) kept_.push_back({kept.began, kept.id});
    puts[keys::request(kept.id)] = std::move(kept);
  }
  if (!begins || !running_.contains(asked->request)) return;
  kept_.push_back({event.wall, asked->request});
  puts[keys::request(asked->request)] = running_[asked->request];
}

std::vector<std::string> RequestLog::drop(WallTime now) {
  std::vector<std::string> gone;
  while (!kept_.empty() && gone.size() < kMostDropped) {
    const bool over = now.unix_ms - kept_.front().began.unix_ms >= kKeptFor_ms;
    if (!over && kept_.size() <= kMost) break;
    const RequestId id = std::move(kept_.front().id);
    kept_.pop_front();
    running_.erase(id);
    const std::string key = keys::request(id);
    if (std::find(gone.begin(), gone.end(), key) == gone.end()) gone.push_back(key);
  }
  return gone;
}

}  // namespace bascule
