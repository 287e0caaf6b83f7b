// Images that tenants send: taken from a stream, checked when they have come, and kept in their pool.
//
// Threads: the pieces come on a thread of its own, which blocks on the disk; what follows, on its workers.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "base/net/http.h"
#include "base/time.h"
#include "base/wire.h"
#include "hostd/storage.h"
#include "hostd/workers.h"

namespace bascule::hostd {

// Whether a file is what it was announced as, and of how many MiB a guest sees it.
Result<std::uint64_t> check_image(const std::string& path, wire::ImageKind kind);

class Images {
 public:
  static constexpr std::size_t kMost = 4;  // at once

  // `folder`: where they lie until they are kept; emptied now. `say`: to the manager, must not block.
  static Result<std::unique_ptr<Images>> start(StoragePools& pools, const net::TlsFiles& tls,
                                               const Clock& clock, std::string folder,
                                               std::function<void(wire::FromHost)> say);
  ~Images();  // breaks off what is under way

  // Do as wire::ReceiveImage and wire::RemoveImage say.
  void receive(const wire::ReceiveImage& order, const std::string& manager);
  void remove(const wire::RemoveImage& order);

 private:
  struct Coming;
  using ComingPointer = std::shared_ptr<Coming>;

  Images(StoragePools& pools, const Clock& clock, std::string folder, std::function<void(wire::FromHost)> say,
         std::unique_ptr<net::WebSocketDialer> dialer);
  void make_place();
  bool is_whole(const ComingPointer& coming);
  Result<ComingPointer> begin(const wire::ReceiveImage& order);
  net::WebSocketEvents events_of(const ComingPointer& coming);
  void take(const ComingPointer& coming, const std::string& piece);
  void keep(const ComingPointer& coming);
  void end(const ComingPointer& coming, const Status& kept, std::uint64_t size_mib);

  StoragePools& pools_;
  const Clock& clock_;
  const std::string folder_;
  const std::function<void(wire::FromHost)> say_;
  std::mutex mutex_;
  std::map<ImageId, ComingPointer> coming_;
  std::uint64_t attempts_ = 0;
  Workers workers_{2, 32};
  std::unique_ptr<net::WebSocketDialer> dialer_;
};

}  // namespace bascule::hostd
