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

std::string about_certificate(const std::string& file, WallTime now) {
  const auto text = read_whole(file, kLargestFile);
  const auto facts = text ? read_certificate(*text) : failure(text.error());
  if (!facts) return "the manager's certificate " + file + " can't be read: " + facts.error().message;
  if (!ends_soon(facts->from, facts->until, now)) return "";
  return "the manager's certificate " + when(facts->until, now) + ": put a new one into " + file +
         " and restart bascule-manager";
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

std::map<std::string, std::string> what_ends_soon(const Watched& files, WallTime now) {
  std::map<std::string, std::string> words;
  words["certificate"] = about_certificate(files.certificate, now);
  if (!files.crl.empty()) words["crl"] = about_crl(files.crl, now);
  std::erase_if(words, [](const auto& entry) { return entry.second.empty(); });
  return words;
}

Validity::Validity(Watched files, const Clock& clock, Post post)
    : files_(std::move(files)), clock_(clock), post_(std::move(post)), thread_([this] { run(); }) {}

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
  const auto found = what_ends_soon(files_, clock_.wall());
  for (const auto& [subject, words] : found)
    if (!told_.contains(subject) || told_.at(subject) != words) post_({subject, words});
  for (const auto& [subject, words] : told_)
    if (!found.contains(subject)) post_({subject, ""});
  told_ = found;
}

}  // namespace bascule::api
