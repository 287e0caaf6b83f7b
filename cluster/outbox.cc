#include "cluster/outbox.h"

#include <algorithm>
#include <charconv>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <sstream>
#include <thread>
#include <utility>

#include "base/log.h"
#include "cluster/keys.h"

namespace bascule {

namespace {

constexpr Channel kChannels[] = {Channel::mail, Channel::sms};

std::string fact(const OutboxRecord& record, const std::string& name) {
  const auto found = record.facts.find(name);
  return found == record.facts.end() ? std::string() : found->second;
}

bool is_accepted(const OutboxRecord& record, Channel channel) {
  return std::find(record.accepted.begin(), record.accepted.end(), name_of(channel)) != record.accepted.end();
}

}  // namespace

Notice notice_of(const OutboxRecord& record, const OutboxOptions& options) {
  NoticeFacts facts;
  facts.cluster = options.cluster;
  facts.host = fact(record, "host");
  facts.site = fact(record, "site");
  facts.vms = fact(record, "vms");
  facts.detail = fact(record, "detail");
  facts.lost = fact(record, "lost");
  const std::string n = fact(record, "n");
  std::from_chars(n.data(), n.data() + n.size(), facts.n);
  Notice notice = compose(record.kind, options.language, facts);
  notice.id = NoticeId(record.id);
  notice.incident = record.incident.value_or(IncidentId());
  notice.created = record.created;
  std::istringstream addresses(fact(record, "mail"));
  for (std::string address; std::getline(addresses, address, ',');) notice.also.push_back(address);
  return notice;
}

struct Outbox::Inside {
  Inside(OutboxOptions o, CourierConfig courier_config, Store& s, const Clock& clock, Changed told)
      : options(std::move(o)),
        store(s),
        courier(std::move(courier_config), clock,
                {[this](const NoticeAccepted& by) { accepted(by); }, std::move(told)}) {}

  // A record that is on its way, as stored.
  struct Waiting {
    OutboxRecord record;
    Revision revision;
  };

  const OutboxOptions options;
  Store& store;
  std::map<std::string, Waiting> waiting;                      // by key; the thread's own
  std::map<std::string, std::vector<std::string>> unrecorded;  // accepted, by id; kept until stored
  std::set<std::pair<std::string, Channel>> offered;           // to the courier, by id
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<NoticeAccepted> acceptances;
  bool woken = true;
  bool stopping = false;
  Courier courier;
  std::thread thread;

  void run();
  void accepted(const NoticeAccepted& by);
  void look();
  void offer(Waiting& entry);
  void record_acceptances();
  Status settle(const std::string& key, Waiting& entry);
};

void Outbox::Inside::accepted(const NoticeAccepted& by) {
  const std::lock_guard lock(mutex);
  acceptances.push_back(by);
  changed.notify_all();
}

void Outbox::Inside::run() {
  while (true) {
    {
      std::unique_lock lock(mutex);
      changed.wait_for(lock, options.again, [this] { return woken || stopping || !acceptances.empty(); });
      if (stopping && acceptances.empty()) return;
      for (; !acceptances.empty(); acceptances.pop_front())
        unrecorded[acceptances.front().id.value].emplace_back(name_of(acceptances.front().channel));
      woken = false;
    }
    look();
    record_acceptances();
  }
}

// The outbox is short nearly always, so it is read whole rather than followed.
void Outbox::Inside::look() {
  const Result<StoreSnapshot> snapshot = store.read(keys::kOutbox);
  if (!snapshot) {
    log(LogLevel::warning, "outbox", "unreadable", {{"why", snapshot.error().message}});
    return;
  }
  waiting.clear();
  for (const StoredPair& pair : snapshot->pairs) {
    Result<OutboxRecord> record = decode_outbox(pair.value);
    if (!record) {
      log(LogLevel::error, "outbox", "damaged_record", {{"key", pair.key}, {"why", record.error().message}});
      continue;
    }
    Waiting& entry = waiting[pair.key];
    entry = {std::move(*record), pair.revision};
    const auto found = unrecorded.find(entry.record.id);
    if (found == unrecorded.end()) offer(entry);
  }
}

void Outbox::Inside::offer(Waiting& entry) {
  const Notice notice = notice_of(entry.record, options);
  bool wanted = false;
  for (const Channel channel : kChannels) {
    if (is_accepted(entry.record, channel) || !courier.wants(channel, notice)) continue;
    wanted = true;
    if (offered.contains({entry.record.id, channel})) continue;  // the courier tries until it is accepted
    if (const Status queued = courier.deliver(channel, notice); queued)
      offered.emplace(entry.record.id, channel);
    else
      log(LogLevel::warning, "outbox", "not_queued",
          {{"id", entry.record.id}, {"why", queued.error().message}});
  }
  if (wanted) return;
  log(LogLevel::info, "outbox", "nobody_to_tell", {{"id", entry.record.id}, {"subject", notice.subject}});
  unrecorded[entry.record.id];  // no channel wants it: it is settled
}

void Outbox::Inside::record_acceptances() {
  for (auto& [key, entry] : waiting) {
    const auto found = unrecorded.find(entry.record.id);
    if (found == unrecorded.end()) continue;
    for (const std::string& channel : found->second) entry.record.accepted.push_back(channel);
    if (const Status settled = settle(key, entry); !settled) {
      log(LogLevel::warning, "outbox", "acceptance_not_stored",
          {{"id", entry.record.id}, {"why", settled.error().message}});
      continue;  // it stays in `unrecorded` and is tried again
    }
    unrecorded.erase(found);
  }
  const auto is_gone = [this](const auto& by_id) {
    return std::none_of(waiting.begin(), waiting.end(),
                        [&](const auto& entry) { return entry.second.record.id == by_id.first; });
  };
  std::erase_if(unrecorded, is_gone);
  std::erase_if(offered, is_gone);
}

Status Outbox::Inside::settle(const std::string& key, Waiting& entry) {
  const Notice notice = notice_of(entry.record, options);
  const bool done = std::all_of(std::begin(kChannels), std::end(kChannels), [&](Channel channel) {
    return is_accepted(entry.record, channel) || !courier.wants(channel, notice);
  });
  Transaction transaction;
  transaction.expect = {{key, entry.revision}};
  transaction.expect_term = options.term;
  if (done)
    transaction.deletes = {key};
  else
    transaction.puts = {{key, encode_text_of(entry.record)}};
  const Result<Revision> committed = store.commit(transaction);
  if (!committed) return failure(committed.error());
  return {};
}

Outbox::Outbox(OutboxOptions options, CourierConfig courier, Store& store, const Clock& clock,
               Changed changed)
    : inside_(std::make_unique<Inside>(std::move(options), std::move(courier), store, clock,
                                       std::move(changed))) {
  inside_->thread = std::thread([this] { inside_->run(); });
}

Outbox::~Outbox() {
  {
    const std::lock_guard lock(inside_->mutex);
    inside_->stopping = true;
    inside_->changed.notify_all();
  }
  inside_->thread.join();
}

void Outbox::wake() {
  const std::lock_guard lock(inside_->mutex);
  inside_->woken = true;
  inside_->changed.notify_all();
}

}  // namespace bascule
