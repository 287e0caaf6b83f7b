// ImageRemover: tells hosts which of tenants' images are to go, again and again until one says that they are
// gone. One thread of its own.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <thread>

#include "base/time.h"
#include "base/wire.h"
#include "cluster/snapshot.h"
#include "failover/fencing.h"

namespace bascule {

class ImageRemover {
 public:
  using Tell = std::function<bool(const Copy& host, const wire::FromManager& message)>;

  // What they call must outlive this.
  ImageRemover(const Clock& clock, Tell tell, std::function<SnapshotPointer()> look);
  ~ImageRemover();
  ImageRemover(const ImageRemover&) = delete;
  ImageRemover& operator=(const ImageRemover&) = delete;

 private:
  void run();
  void look_once();

  const Clock& clock_;
  const Tell tell_;
  const std::function<SnapshotPointer()> look_;
  std::map<ImageId, Instant> told_;  // the thread's own
  std::mutex mutex_;
  std::condition_variable changed_;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace bascule
