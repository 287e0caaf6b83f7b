#include "cluster/image_remover.h"

#include "failover/images.h"

namespace bascule {
namespace {

constexpr Duration kImagesEvery = 1s;
constexpr Duration kTellAgain = 15s;

}  // namespace

ImageRemover::ImageRemover(const Clock& clock, Tell tell, std::function<SnapshotPointer()> look)
    : clock_(clock), tell_(std::move(tell)), look_(std::move(look)), thread_([this] { run(); }) {}

ImageRemover::~ImageRemover() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    changed_.notify_all();
  }
  thread_.join();
}

void ImageRemover::run() {
  std::unique_lock lock(mutex_);
  while (!changed_.wait_for(lock, kImagesEvery, [this] { return ending_; })) {
    lock.unlock();
    look_once();
    lock.lock();
  }
}

void ImageRemover::look_once() {
  const SnapshotPointer snapshot = look_();
  const auto& images = snapshot->state.directory.images;
  std::erase_if(told_, [&](const auto& entry) { return !images.contains(entry.first); });
  for (const auto& [id, image] : images) {
    if (image.phase != ImagePhase::removing) continue;
    const auto before = told_.find(id);
    if (before != told_.end() && clock_.now() - before->second < kTellAgain) continue;
    const Host* host = keeper_of_image(snapshot->state, image);
    if (!host || !host->record.boot_id) continue;
    if (tell_({host->record.id, *host->record.boot_id}, wire::RemoveImage{id, image.pool, image.sha256}))
      told_[id] = clock_.now();
  }
}

}  // namespace bascule
