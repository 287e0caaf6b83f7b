// What became of requests that came with a key of their own (Idempotency-Key): kept for a day, over restarts,
// so that one whose answer got lost can be repeated without being done twice.
//
// The manager writes a record in the transaction of the step that began the request, and again with its
// outcome. What was refused at once isn't kept: nothing was done. Nobody but the API reads them.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cluster/store.h"
#include "failover/action.h"
#include "failover/event.h"

namespace bascule {

// Stored under keys::request(id).
struct KeptRequest {
  int version = 1;
  RequestId id;
  OperatorId by;
  std::string digest;  // Asked::digest
  WallTime began;
  bool ended = false;  // false: it is under way, or it was when its manager ended
  std::string subject;
  std::optional<Error> error;
};
template <class V>
void fields(V& v, KeptRequest& x) {
  v("version", x.version);
  v("id", x.id);
  v("by", x.by);
  v("digest", x.digest);
  v("began", x.began);
  v("ended", x.ended);
  v.optional("subject", x.subject);
  v.optional("error", x.error);
}

// Nothing when there is none. Blocks as the store does.
Result<std::optional<KeptRequest>> read_request(Store& store, const RequestId& id);

// The writing side: what the manager's transactions must put and delete. Pure, of one thread.
class RequestLog {
 public:
  static constexpr std::int64_t kKeptFor_ms = std::int64_t{24} * 3600 * 1000;
  static constexpr std::size_t kMost = 200'000;    // then the oldest go early
  static constexpr std::size_t kMostDropped = 20;  // at once: a commit takes at most so much

  struct Known {
    WallTime began;
    RequestId id;
  };
  explicit RequestLog(std::vector<Known> stored);

  // After a step: the records to put, by key.
  void note(const Event& event, const std::vector<Action>& actions, std::map<std::string, KeptRequest>& puts);
  // Whose time is over; their keys, for deletion.
  std::vector<std::string> drop(WallTime now);

 private:
  std::map<RequestId, KeptRequest> running_;
  std::deque<Known> kept_;  // oldest first
};

}  // namespace bascule
