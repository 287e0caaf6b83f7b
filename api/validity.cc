#include "api/validity.h"

#include <algorithm>

#include "base/certificates.h"
#include "base/durable_file.h"
#include "base/net/crl.h"

namespace bascule::api {
namespace {

constexpr Duration kBetweenLooks = std::chrono::hours(1);
constexpr std::int64_t kLongestNotice_ms = std::int64_t{14} * 24 * 3600 * 1000;
constexpr std::size_t kLargestFile = 16 * 1024 * 1024;

bool ends_soon(WallTime from, WallTime until, WallTime now) {
  const std::int64_t notice = std::min((until.unix_ms - from.unix_ms) / 4, kLongestNotice_ms);
  return now.unix_ms >= until.unix_ms - notice;
}

std::string when(WallTime until, WallTime now) {
  return (until > now ? "ends at " : "has ended at ") + to_iso8601(until);
}

Result<CertificateFacts> facts_in(const std::string& file) {
  const auto text = read_whole(file, kLargestFile);
  return text ? read_certificate(*text) : failure(text.error());
}

std::string about_certificate(const std::string& file, const CertificateFacts& served, WallTime now) {
  const auto next = facts_in(file);
  if (!next) return "the manager's certificate " + file + " can't be read: " + next.error().message;
  if (!ends_soon(served.from, served.until, now)) return "";
  const bool is_there = next->fingerprint != served.fingerprint && !ends_soon(next->from, next->until, now);
  return "the manager's certificate " + when(served.until, now) +
         (is_there ? ": a new one is in " : ": put a new one into ") + file +
         (is_there ? ", restart bascule-manager" : " and restart bascule-manager");
}

std::string about_crl(const std::string& file, WallTime now) {
  const auto text = read_whole(file, kLargestFile);
  const auto times = text ? net::crl_times(*text) : failure(text.error());
  if (!times) return "the list of revoked cards " + file + " can't be read: " + times.error().message;
  if (!ends_soon(times->from, times->until, now)) return "";
  return "the list of revoked cards " + when(times->until, now) +
         ", and then nobody gets in by card: put a new one into " + file;
}

}  // namespace

std::map<std::string, std::string> what_ends_soon(const Watched& files, const CertificateFacts& served,
                                                  WallTime now) {
  std::map<std::string, std::string> words;
  words["certificate"] = about_certificate(files.certificate, served, now);
  if (!files.crl.empty()) words["crl"] = about_crl(files.crl, now);
  std::erase_if(words, [](const auto& entry) { return entry.second.empty(); });
  return words;
}

Result<std::unique_ptr<Validity>> Validity::start(Watched files, const Clock& clock, Post post) {
  auto served = facts_in(files.certificate);
  if (!served) return failure(served.error());
  return std::unique_ptr<Validity>(
      new Validity(std::move(files), *std::move(served), clock, std::move(post)));
}

Validity::Validity(Watched files, CertificateFacts served, const Clock& clock, Post post)
    : files_(std::move(files)),
      served_(std::move(served)),
      clock_(clock),
      post_(std::move(post)),
      thread_([this] { run(); }) {}

Validity::~Validity() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  ends_.notify_all();
  thread_.join();
}

void Validity::run() {
  std::unique_lock lock(mutex_);
  while (!ending_) {
    lock.unlock();
    look();
    lock.lock();
    ends_.wait_for(lock, kBetweenLooks, [this] { return ending_; });
  }
}

void Validity::look() {
  auto found = what_ends_soon(files_, served_, clock_.wall());
  for (const auto& [subject, words] : told_) found.emplace(subject, "");  // renewed
  for (const auto& [subject, words] : found) {
    const auto before = told_.find(subject);
    if ((before == told_.end() ? "" : before->second) == words || !post_({subject, words})) continue;
    told_[subject] = words;
  }
}

}  // namespace bascule::api
