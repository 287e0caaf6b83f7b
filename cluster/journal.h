// Journal: what the engine was told and when, so that each of its decisions can be computed again
// (cluster/replay) when people ask why.
//
// A directory of segments, <time>-term<N>.jsonl, mode 0600. A segment begins with a snapshot of State and
// Policy and so stands alone. A new one begins with each manager and whenever one has grown to an eighth of
// the bound; the oldest are deleted. No secret reaches the engine, so none is in it; else it is as
// confidential as the database.
//
// It is a record, not a store: nothing waits for it. When the disk is full, fails or is too slow, the segment
// ends early, the log says so once, and a new one begins when it works again.
//
// Threads: begin() and record() are for the engine's thread, or before it runs; they never wait. A thread of
// its own writes.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/mailbox.h"
#include "base/result.h"
#include "base/time.h"
#include "cluster/audit.h"
#include "cluster/manager.h"
#include "failover/policy.h"
#include "failover/state.h"

namespace bascule {

// Of this program: its version, and the linker's build id of just this binary.
std::string build_id();

struct JournalOptions {
  std::string directory;                         // made when it isn't there; its parent must be
  std::uint64_t most_bytes = 512 * 1024 * 1024;  // of all segments
  std::size_t most_waiting = 1000;               // turns that are not yet written
  Duration retry = 10s;                          // after a failure
};

class Journal {
 public:
  // `clock` must outlive it.
  Journal(JournalOptions options, const Policy& policy, const Clock& clock);
  ~Journal();  // writes what waits
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  // From here on: `state` as it stands, `audit` the end of its chain.
  void begin(const State& state, const AuditHead& audit);
  // A turn, and the State after it.
  void record(const std::vector<Stepped>& turn, const State& after);

  std::size_t waiting() const { return jobs_.size(); }  // turns

 private:
  struct Beginning {
    State state;
    AuditHead audit;
  };
  struct Job {
    std::vector<Stepped> turn;
    std::optional<Beginning> beginning;  // of a new segment, instead
  };

  void put(Job job);
  void run();
  void write(const Job& job);
  Status open_segment(const Beginning& beginning);
  Status append(const std::string& text);
  void close_segment();
  void fail(const Error& why);

  const JournalOptions options_;
  const Policy policy_;
  const Clock& clock_;
  const std::uint64_t segment_bytes_;

  // The engine's thread
  AuditHead audit_;
  bool gap_ = false;  // a turn was dropped: nothing is kept until the next beginning

  // Between threads
  Mailbox<Job> jobs_;
  std::atomic<bool> wants_beginning_ = false;
  std::atomic<bool> overflowed_ = false;

  // The writer's thread
  int file_ = -1;
  std::string path_;
  std::uint64_t written_ = 0;  // of steps, in this segment
  bool failed_ = false;        // said in the log
  std::optional<Instant> retry_at_;
  std::thread writer_;
};

}  // namespace bascule
