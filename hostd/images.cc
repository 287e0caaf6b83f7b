#include "hostd/images.h"

#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>

#include "base/log.h"
#include "base/sha256.h"
#include "hostd/qemu_img.h"
#include "hostd/system_error.h"

namespace bascule::hostd {
namespace {

constexpr std::size_t kLargestPiece = 1024 * 1024;
constexpr std::uint64_t kKeptFree = std::uint64_t{1} << 30;  // bytes, of the host's own disk
constexpr Duration kDialForImage = 5s;
constexpr Duration kLongestSilence = 60s;  // then another may take its place
// ISO 9660 (ECMA-119, 8.1): the first volume descriptor is in the 17th sector of 2,048 bytes.
constexpr off_t kDescriptorAt = 16 * 2048 + 1;
constexpr std::string_view kDescriptor = "CD001";

// `promised`: to others that are coming.
Status check_room(const std::string& folder, std::uint64_t bytes, std::uint64_t promised) {
  struct statvfs place {};
  if (statvfs(folder.c_str(), &place) != 0) return failure(system_error("looking at " + folder));
  const std::uint64_t free = std::uint64_t{place.f_bavail} * place.f_frsize;
  const std::uint64_t kept = kKeptFree + promised;
  if (free >= kept && free - kept >= bytes) return {};
  return failure(ErrorCode::exhausted, "its host has no room for it now: tell your provider");
}

Status write_all(int file, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t size = write(file, bytes.data(), bytes.size());
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return failure(system_error("writing the image"));
    bytes.remove_prefix(static_cast<std::size_t>(size));
  }
  return {};
}

Status check_iso(const std::string& path) {
  std::array<char, kDescriptor.size()> words{};
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  const bool read =
      file >= 0 && pread(file, words.data(), words.size(), kDescriptorAt) == ssize_t{words.size()};
  if (file >= 0) ::close(file);
  if (read && std::string_view(words.data(), words.size()) == kDescriptor) return {};
  return failure(ErrorCode::invalid, "it is no CD: it has no volume descriptor of ISO 9660");
}

}  // namespace

Result<std::uint64_t> check_image(const std::string& path, wire::ImageKind kind) {
  constexpr std::uint64_t kMiB = 1 << 20;
  if (kind == wire::ImageKind::iso) {
    if (const Status cd = check_iso(path); !cd) return failure(cd.error());
    return (std::filesystem::file_size(path) + kMiB - 1) / kMiB;
  }
  const Result<ImageFile> image = inspect_image(path);
  if (!image) return failure(image.error());
  return (image->bytes + kMiB - 1) / kMiB;
}

// The dialer's thread alone writes it, until it is whole.
struct Images::Coming {
  Coming(wire::ReceiveImage asked, std::string where, int opened)
      : order(std::move(asked)), path(std::move(where)), file(opened) {}
  Coming(const Coming&) = delete;
  Coming& operator=(const Coming&) = delete;
  ~Coming() {
    ::close(file);
    unlink(path.c_str());
  }

  const wire::ReceiveImage order;
  const std::string path;
  const int file;
  Sha256 digest;
  std::uint64_t received = 0;
  Instant last;  // when a piece of it came; mutex_ of Images guards this, and:
  bool whole = false;
  bool over = false;  // said
  std::shared_ptr<net::WebSocket> socket;
};

Images::Images(StoragePools& pools, const Clock& clock, std::string folder,
               std::function<void(wire::FromHost)> say, std::unique_ptr<net::WebSocketDialer> dialer)
    : pools_(pools),
      clock_(clock),
      folder_(std::move(folder)),
      say_(std::move(say)),
      dialer_(std::move(dialer)) {}

bool Images::is_whole(const ComingPointer& coming) {
  const std::lock_guard lock(mutex_);
  return coming->whole;
}

Images::~Images() {
  dialer_.reset();  // its thread calls into us
}

Result<std::unique_ptr<Images>> Images::start(StoragePools& pools, const net::TlsFiles& tls,
                                              const Clock& clock, std::string folder,
                                              std::function<void(wire::FromHost)> say) {
  std::error_code problem;
  std::filesystem::remove_all(folder, problem);
  if (!problem) std::filesystem::create_directories(folder, problem);
  if (!problem) std::filesystem::permissions(folder, std::filesystem::perms::owner_all, problem);
  if (problem) return failure(ErrorCode::unavailable, "making " + folder + ": " + problem.message());
  net::ClientOptions options;
  options.tls = tls;
  options.connect_time = kDialForImage;
  auto dialer = net::WebSocketDialer::make(options);
  if (!dialer) return failure(dialer.error());
  return std::unique_ptr<Images>(
      new Images(pools, clock, std::move(folder), std::move(say), *std::move(dialer)));
}

Result<Images::ComingPointer> Images::begin(const wire::ReceiveImage& order) {
  if (!is_valid_uuid(order.image.value) || !pools_.contains(order.pool))
    return failure(ErrorCode::not_found, "its host has no pool " + order.pool);
  make_place();
  const std::lock_guard lock(mutex_);
  if (coming_.size() >= kMost || coming_.contains(order.image))
    return failure(ErrorCode::conflict, "others are being sent: try again in a while");
  std::uint64_t promised = 0;
  for (const auto& [id, other] : coming_) promised += other->order.bytes;
  if (const Status room = check_room(folder_, order.bytes, promised); !room) return failure(room.error());
  const std::string path = folder_ + "/" + order.image.value + "." + std::to_string(++attempts_);
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (file < 0) return failure(system_error("making " + path));
  const auto coming = std::make_shared<Coming>(order, path, file);
  coming->last = clock_.now();
  return coming_[order.image] = coming;
}

// Of what comes no more, though its connection is still there.
void Images::make_place() {
  std::vector<ComingPointer> silent;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, coming] : coming_)
      if (!coming->whole && clock_.now() - coming->last > kLongestSilence) silent.push_back(coming);
  }
  for (const ComingPointer& coming : silent)
    end(coming, failure(ErrorCode::timeout, "nothing of it came for a minute"), 0);
}

void Images::receive(const wire::ReceiveImage& order, const std::string& manager) {
  const auto coming = begin(order);
  net::WebSocketLimits limits;
  limits.bytes = true;
  limits.message_bytes = kLargestPiece;
  const std::string path = std::string(wire::kStreamPath) + order.stream;
  const std::string to =
      order.port == 0 ? manager : manager.substr(0, manager.rfind(':') + 1) + std::to_string(order.port);
  if (coming) return dialer_->dial(to, path, limits, events_of(*coming));
  log(LogLevel::warning, "images", "not_received", {{"image", order.image}, {"why", coming.error().message}});
  net::WebSocketEvents events;
  events.on_open = [why = coming.error().message](const std::shared_ptr<net::WebSocket>& socket) {
    socket->close(why);
  };
  dialer_->dial(to, path, limits, std::move(events));
}

net::WebSocketEvents Images::events_of(const ComingPointer& coming) {
  net::WebSocketEvents events;
  events.on_open = [this, coming](std::shared_ptr<net::WebSocket> socket) {
    const std::lock_guard lock(mutex_);
    coming->socket = std::move(socket);
  };
  events.on_message = [this, coming](const std::shared_ptr<net::WebSocket>&, const std::string& piece) {
    take(coming, piece);
  };
  events.on_close = [this, coming](const std::shared_ptr<net::WebSocket>&, const std::string&) {
    // What is whole is kept, whether anybody waits for that or not.
    if (!is_whole(coming))
      end(coming,
          failure(ErrorCode::unavailable, "it broke off after " + std::to_string(coming->received) + " of " +
                                              std::to_string(coming->order.bytes) + " bytes"),
          0);
    const std::lock_guard lock(mutex_);
    coming->socket.reset();
  };
  return events;
}

void Images::take(const ComingPointer& coming, const std::string& piece) {
  {
    const std::lock_guard lock(mutex_);
    if (coming->over) return;
    coming->last = clock_.now();
  }
  if (coming->whole || piece.size() > coming->order.bytes - coming->received)
    return end(coming, failure(ErrorCode::invalid, "more came than was announced"), 0);
  if (const Status written = write_all(coming->file, piece); !written) return end(coming, written, 0);
  coming->digest.add(piece);
  coming->received += piece.size();
  if (coming->received < coming->order.bytes) return;
  {
    const std::lock_guard lock(mutex_);
    coming->whole = true;
  }
  if (!workers_.submit("image " + coming->order.image.value, [this, coming] { keep(coming); }))
    end(coming, failure(ErrorCode::exhausted, "its host is busy: try again in a while"), 0);
}

void Images::keep(const ComingPointer& coming) {
  const wire::ReceiveImage& order = coming->order;
  if (coming->digest.hex() != order.sha256)
    return end(coming, failure(ErrorCode::invalid, "its SHA-256 is not what was announced"), 0);
  const Result<std::uint64_t> size_mib = check_image(coming->path, order.kind);
  if (!size_mib) return end(coming, failure(size_mib.error()), 0);
  const Status kept =
      pools_.at(order.pool)->keep_image(wire::template_of(order.image, order.sha256), coming->path);
  end(coming, kept, *size_mib);
}

// Once for each.
void Images::end(const ComingPointer& coming, const Status& kept, std::uint64_t size_mib) {
  std::shared_ptr<net::WebSocket> socket;
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(coming->over, true)) return;
    coming_.erase(coming->order.image);
    socket = std::move(coming->socket);
  }
  const std::string why = kept ? "" : kept.error().message;
  log(kept ? LogLevel::info : LogLevel::warning, "images", kept ? "stored" : "refused",
      {{"image", coming->order.image}, {"pool", coming->order.pool}, {"why", why}});
  say_(wire::ImageSeen{coming->order.image, kept ? wire::ImageEnd::stored : wire::ImageEnd::refused, why,
                       size_mib});
  if (socket) socket->close(kept ? std::string(wire::kStored) : why);
}

void Images::remove(const wire::RemoveImage& order) {
  const auto work = [this, order] {
    {
      const std::lock_guard lock(mutex_);
      if (coming_.contains(order.image)) return;  // it would come back; this is said again
    }
    const auto pool = pools_.find(order.pool);
    const Status gone = pool == pools_.end() || !is_valid_uuid(order.image.value)
                            ? failure(ErrorCode::not_found, "its host has no pool " + order.pool)
                            : pool->second->drop_image(wire::template_of(order.image, order.sha256));
    log(LogLevel::info, "images", gone ? "removed" : "not_removed",
        {{"image", order.image}, {"pool", order.pool}, {"why", gone ? "" : gone.error().message}});
    // What the storage can't do for the moment is asked again.
    if (!gone && gone.error().code != ErrorCode::conflict) return;
    say_(wire::ImageSeen{order.image, gone ? wire::ImageEnd::removed : wire::ImageEnd::kept,
                         gone ? "" : gone.error().message, 0});
  };
  if (!workers_.submit("image " + order.image.value, work))
    log(LogLevel::warning, "images", "not_removed",
        {{"image", order.image}, {"why", "too many orders wait"}});
}

}  // namespace bascule::hostd
