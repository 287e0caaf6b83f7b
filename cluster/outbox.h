// Outbox: notices from the store to the courier, until every channel has accepted them.
//
// A record is written together with the decision it tells of (cluster/records.h) and deleted only when all
// channels that want it have accepted; each acceptance is stored before the next is waited for, so that only
// a crash between an acceptance and its record repeats a message, with the same Message-ID. Threads: one of
// its own, which alone waits for the store, beside the courier's. wake() from any thread.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "base/time.h"
#include "cluster/notify.h"
#include "cluster/notify_texts.h"
#include "cluster/records.h"
#include "cluster/store.h"

namespace bascule {

struct OutboxOptions {
  std::string cluster;
  Language language = Language::en;
  Term term;             // its deletions compare it as all writes do
  Duration again = 10s;  // until records that the courier had no room for are offered again
};

// The notice of a record, in words.
Notice notice_of(const OutboxRecord& record, const OutboxOptions& options);

class Outbox {
 public:
  // Told when a channel dies or works again; must not block.
  using Changed = std::function<void(const ChannelStatus&)>;

  // Offers everything that the store holds at once. `store` and `clock` must outlive it.
  Outbox(OutboxOptions options, CourierConfig courier, Store& store, const Clock& clock, Changed changed);
  ~Outbox();
  Outbox(const Outbox&) = delete;
  Outbox& operator=(const Outbox&) = delete;

  void wake();  // a record was added

 private:
  struct Inside;
  std::unique_ptr<Inside> inside_;
};

}  // namespace bascule
