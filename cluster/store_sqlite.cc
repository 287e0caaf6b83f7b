#include "cluster/store_sqlite.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <mutex>

#include "base/log.h"
#include "cluster/store_epoch.h"

namespace bascule {
namespace {

constexpr std::uint64_t kApplicationId = 0x42534355;  // "BSCU"
constexpr std::uint64_t kFormat = 1;
constexpr int kBusyMilliseconds = 5000;
constexpr std::uint64_t kForgetEvery = 1024;  // revisions between looks at the number of deletions

constexpr const char* kSchema = R"(
  CREATE TABLE meta (name TEXT PRIMARY KEY, value NOT NULL);
  CREATE TABLE pair (key TEXT PRIMARY KEY, value TEXT, revision INTEGER NOT NULL);  -- value NULL: deleted
  CREATE INDEX pair_by_revision ON pair (revision, key);
  CREATE INDEX deleted_by_revision ON pair (revision) WHERE value IS NULL;
)";

// A connection. Every error becomes an Error that names the file and what to do.
class Database {
 public:
  explicit Database(std::string path) : path_(std::move(path)) {}
  ~Database() { sqlite3_close(handle_); }
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  Status open() {
    constexpr int kFlags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX;
    if (sqlite3_open_v2(path_.c_str(), &handle_, kFlags, nullptr) != SQLITE_OK) return failure(error());
    sqlite3_extended_result_codes(handle_, 1);
    sqlite3_busy_timeout(handle_, kBusyMilliseconds);
    return {};
  }

  Status run(const char* sql) {
    if (sqlite3_exec(handle_, sql, nullptr, nullptr, nullptr) != SQLITE_OK) return failure(error());
    return {};
  }

  void roll_back() {
    if (sqlite3_get_autocommit(handle_) == 0) sqlite3_exec(handle_, "ROLLBACK", nullptr, nullptr, nullptr);
  }

  Error damaged(std::string_view how) const {
    return {ErrorCode::corrupt, "the store " + path_ + " " + std::string(how) +
                                    ": stop the manager, keep the file for examination, and put the last "
                                    "backup in its place (the hosts' guests run on meanwhile)"};
  }

  Error error() const {
    const int code = handle_ == nullptr ? SQLITE_NOMEM : sqlite3_errcode(handle_);
    const std::string words = handle_ == nullptr ? "out of memory" : sqlite3_errmsg(handle_);
    if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB) return damaged("is damaged (" + words + ")");
    return {ErrorCode::unavailable,
            "the store " + path_ + " can't be used (" + words + "); check its disk and permissions"};
  }

  sqlite3* handle() const { return handle_; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  sqlite3* handle_ = nullptr;
};

// One use of one statement. Texts that are bound must live until step() has returned.
class Statement {
 public:
  Statement(Database& database, std::string_view sql) : database_(database) {
    sqlite3_prepare_v2(database.handle(), sql.data(), static_cast<int>(sql.size()), &handle_, nullptr);
  }
  ~Statement() { sqlite3_finalize(handle_); }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  Statement& bind(std::string_view text) {
    const char* bytes = text.data() == nullptr ? "" : text.data();  // a null would be bound as NULL
    sqlite3_bind_text(handle_, ++bound_, bytes, static_cast<int>(text.size()), nullptr);
    return *this;
  }
  Statement& bind(std::uint64_t number) {
    sqlite3_bind_int64(handle_, ++bound_, static_cast<sqlite3_int64>(number));
    return *this;
  }

  // True: a row is there. False: there is none, or no further one.
  Result<bool> step() {
    if (handle_ == nullptr) return failure(database_.error());
    const int code = sqlite3_step(handle_);
    if (code == SQLITE_ROW) return true;
    if (code == SQLITE_DONE) return false;
    return failure(database_.error());
  }
  Status finish() {
    const Result<bool> row = step();
    if (!row) return failure(row.error());
    return {};
  }

  std::string text(int column) const {
    const unsigned char* bytes = sqlite3_column_text(handle_, column);
    const auto size = static_cast<std::size_t>(sqlite3_column_bytes(handle_, column));
    return bytes == nullptr ? std::string() : std::string(bytes, bytes + size);
  }
  std::uint64_t number(int column) const {
    return static_cast<std::uint64_t>(sqlite3_column_int64(handle_, column));
  }
  bool is_null(int column) const { return sqlite3_column_type(handle_, column) == SQLITE_NULL; }

 private:
  Database& database_;
  sqlite3_stmt* handle_ = nullptr;
  int bound_ = 0;
};

class SqliteStore final : public Store {
 public:
  explicit SqliteStore(const std::string& path)
      : database_(path), epoch_file_((std::filesystem::path(path).parent_path() / "epoch.json").string()) {}

  Status open(Random& random);

  StoreIdentity identity() const override { return identity_; }
  Result<StoreSnapshot> read(std::string_view prefix) override;
  Result<Revision> commit(const Transaction& transaction) override;
  Result<StoreChanges> changes(Revision after, std::size_t limit) override;
  Result<StoreLease> grant(std::string_view name, std::string_view holder, Duration ttl) override;
  Status renew(const StoreLease& lease) override;
  Status revoke(const StoreLease& lease) override;

 private:
  Result<bool> check_file();
  Status create();
  Status adopt();
  Status settle_epoch(Random& random, bool fresh);
  Status start_epoch(Random& random, const std::optional<EpochRecord>& known, std::string_view reason);
  Status check_broken() const;
  Result<std::string> meta(std::string_view name);
  Status set_meta(std::string_view name, std::string_view value);
  Status compare(const Transaction& transaction);
  Status apply(const Transaction& transaction, Revision revision);
  Status put(std::string_view key, std::string_view value, Revision revision);
  Status forget_deletions(Revision revision);
  Status finish_commit();
  Result<Revision> attempt(const Transaction& transaction);
  EpochRecord record() const;

  std::mutex mutex_;
  LockFile lock_;
  Database database_;
  EpochFile epoch_file_;
  StoreIdentity identity_;
  Revision revision_;
  Revision forgotten_;
  std::uint64_t inode_ = 0;
  std::uint64_t last_lease_ = 0;
  bool broken_ = false;  // a commit failed in a way after which this connection may not be believed
};

// ---- Opening ----

Status SqliteStore::open(Random& random) {
  if (const Status s = lock_.lock(database_.path() + ".lock"); !s) return s;
  // Created here and not by SQLite, for its mode: the store holds what tenants run where.
  const int file = ::open(database_.path().c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  struct ::stat seen = {};
  const bool usable = file >= 0 && ::fstat(file, &seen) == 0;
  const std::string problem = std::strerror(errno);
  if (file >= 0) ::close(file);
  if (!usable) return failure(ErrorCode::unavailable, "can't open " + database_.path() + ": " + problem);
  inode_ = seen.st_ino;
  if (const Status s = database_.open(); !s) return s;
  const Result<bool> empty = check_file();
  if (!empty) return failure(empty.error());
  if (const Status s = *empty ? create() : adopt(); !s) return s;
  return settle_epoch(random, *empty);
}

// Nothing is written before the file is known to be ours, and whole. True: it is empty.
Result<bool> SqliteStore::check_file() {
  Statement ours(database_,
                 "SELECT (SELECT application_id FROM pragma_application_id), "
                 "(SELECT user_version FROM pragma_user_version), count(*) FROM sqlite_master");
  const Result<bool> row = ours.step();
  if (!row) return failure(row.error());
  const bool empty = ours.number(0) == 0 && ours.number(1) == 0 && ours.number(2) == 0;
  if (!empty && ours.number(0) != kApplicationId)
    return failure(database_.damaged("is another program's database"));
  if (!empty && ours.number(1) != kFormat)
    return failure(ErrorCode::invalid, "the store " + database_.path() + " has format " +
                                           std::to_string(ours.number(1)) + "; this manager reads format " +
                                           std::to_string(kFormat) + ": install the version that wrote it");
  Statement check(database_, "PRAGMA quick_check(1)");
  const Result<bool> answer = check.step();
  if (!answer) return failure(answer.error());
  if (check.text(0) != "ok") return failure(database_.damaged("is damaged (" + check.text(0) + ")"));
  return empty;
}

Status SqliteStore::create() {
  if (const Status s = database_.run("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; BEGIN IMMEDIATE");
      !s)
    return s;
  Status made = database_.run(kSchema);
  if (made) made = set_meta("forgotten", "0");
  if (made)
    made = database_.run(("PRAGMA application_id = " + std::to_string(kApplicationId) +
                          "; PRAGMA user_version = " + std::to_string(kFormat) + "; COMMIT")
                             .c_str());
  if (!made) database_.roll_back();
  return made;
}

Status SqliteStore::adopt() {
  if (const Status s = database_.run("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL"); !s) return s;
  const auto number_of = [this](const char* name) -> Result<std::uint64_t> {
    const Result<std::string> text = meta(name);
    if (!text) return failure(text.error());
    const Result<Term> number = parse_term(*text);
    if (!number) return failure(database_.damaged("has lost its " + std::string(name)));
    return number->value;
  };
  const Result<std::uint64_t> forgotten = number_of("forgotten");
  if (!forgotten) return failure(forgotten.error());
  forgotten_ = Revision(*forgotten);
  // Without an epoch the process was killed between create() and start_epoch(): nothing was stored yet.
  const Result<std::string> id = meta("epoch_id");
  if (!id) return {};
  const Result<std::uint64_t> epoch = number_of("epoch");
  if (!epoch) return failure(epoch.error());
  const Result<std::uint64_t> revision = number_of("revision");
  if (!revision) return failure(revision.error());
  identity_.epoch = {*id, EpochNumber(*epoch)};
  revision_ = Revision(*revision);
  return {};
}

Status SqliteStore::settle_epoch(Random& random, bool fresh) {
  const bool was_known = epoch_file_.exists();
  const std::optional<EpochRecord> known = epoch_file_.read();
  identity_.created = fresh || identity_.epoch.id.empty();
  if (identity_.created) {
    if (!was_known) return start_epoch(random, known, "");
    return start_epoch(random, known, "the database was gone, and a new one was made");
  }
  // Killed between its first epoch and the first epoch.json; or, as when both are gone, nothing tells.
  if (!was_known && revision_ == Revision(0)) {
    identity_.created = true;
    return epoch_file_.replace(record());
  }
  if (!known)
    return start_epoch(random, known, "epoch.json is gone or unreadable, so the database may be old");
  if (known->epoch != identity_.epoch)
    return start_epoch(random, known, "the database belongs to another epoch than epoch.json");
  if (known->inode != inode_) return start_epoch(random, known, "the database is a copy");
  if (known->revision > revision_)
    return start_epoch(random, known, "the database is older than what was acknowledged: it was restored");
  Statement recovering(database_, "SELECT 1 FROM pair WHERE key = ? AND value IS NOT NULL");
  const Result<bool> row = recovering.bind(kRecoveringKey).step();
  if (!row) return failure(row.error());
  identity_.restored = *row;
  return epoch_file_.replace(record());
}

// A new id with the next number; with a reason it is a recovery. The database first: if we are killed before
// the side file follows, the next open finds another epoch there and makes yet another one, which is safe.
Status SqliteStore::start_epoch(Random& random, const std::optional<EpochRecord>& known,
                                std::string_view reason) {
  const EpochNumber highest = std::max(identity_.epoch.number, known ? known->epoch.number : EpochNumber(0));
  identity_.epoch = {make_uuid(random), highest.next()};
  identity_.restored = !reason.empty();
  revision_ = std::max(revision_, known ? known->revision : Revision(0));
  if (identity_.restored) revision_ = revision_.next();
  if (const Status s = database_.run("BEGIN IMMEDIATE"); !s) return s;
  Status stored = set_meta("epoch_id", identity_.epoch.id);
  if (stored) stored = set_meta("epoch", std::to_string(identity_.epoch.number.value));
  if (stored) stored = set_meta("revision", std::to_string(revision_.value));
  if (stored && identity_.restored)
    stored = put(kRecoveringKey, "{\"reason\":\"" + std::string(reason) + "\"}", revision_);
  if (stored && identity_.restored) {
    // Other readers' revisions are of the old epoch: they must read anew.
    stored = set_meta("forgotten", std::to_string(revision_.value));
    forgotten_ = revision_;
  }
  if (stored) stored = database_.run("COMMIT");
  if (!stored) {
    database_.roll_back();
    return stored;
  }
  if (identity_.restored)
    log(LogLevel::warning, "store", "epoch",
        {{"number", identity_.epoch.number}, {"reason", reason}, {"path", database_.path()}});
  return epoch_file_.replace(record());
}

EpochRecord SqliteStore::record() const { return {1, identity_.epoch, revision_, inode_}; }

Result<std::string> SqliteStore::meta(std::string_view name) {
  Statement select(database_, "SELECT value FROM meta WHERE name = ?");
  const Result<bool> row = select.bind(name).step();
  if (!row) return failure(row.error());
  if (!*row) return failure(database_.damaged("has lost its " + std::string(name)));
  return select.text(0);
}

Status SqliteStore::set_meta(std::string_view name, std::string_view value) {
  Statement replace(database_, "INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)");
  return replace.bind(name).bind(value).finish();
}

// ---- The verbs ----

Status SqliteStore::check_broken() const {
  if (!broken_) return {};
  return failure(ErrorCode::unavailable, "the disk of " + database_.path() +
                                             " failed during a commit; restart the manager to find out what "
                                             "was stored");
}

Result<StoreSnapshot> SqliteStore::read(std::string_view prefix) {
  const std::lock_guard lock(mutex_);
  if (const Status s = check_broken(); !s) return failure(s.error());
  StoreSnapshot snapshot{revision_, {}};
  Statement select(database_, "SELECT key, value, revision FROM pair WHERE key >= ? ORDER BY key");
  select.bind(prefix);
  for (;;) {
    const Result<bool> row = select.step();
    if (!row) return failure(row.error());
    if (!*row) return snapshot;
    std::string key = select.text(0);
    if (!key.starts_with(prefix)) return snapshot;
    if (!select.is_null(1))
      snapshot.pairs.push_back({std::move(key), select.text(1), Revision(select.number(2))});
  }
}

Result<Revision> SqliteStore::commit(const Transaction& transaction) {
  if (const Status s = check_transaction(transaction); !s) return failure(s.error());
  const std::lock_guard lock(mutex_);
  if (const Status s = check_broken(); !s) return failure(s.error());
  Result<Revision> done = attempt(transaction);
  if (!done) {
    database_.roll_back();
    return done;
  }
  revision_ = *done;
  if (const Status s = epoch_file_.note(record()); !s)
    log(LogLevel::error, "store", "epoch_file", {{"error", s.error().message}});
  return done;
}

Result<Revision> SqliteStore::attempt(const Transaction& transaction) {
  if (const Status s = database_.run("BEGIN IMMEDIATE"); !s) return failure(s.error());
  if (const Status s = compare(transaction); !s) return failure(s.error());
  const Revision revision = revision_.next();
  if (const Status s = apply(transaction, revision); !s) return failure(s.error());
  if (const Status s = set_meta("revision", std::to_string(revision.value)); !s) return failure(s.error());
  if (const Status s = finish_commit(); !s) return failure(s.error());
  return revision;
}

// After a failed fsync the frames may or may not be in the log, and only the next open of the file tells.
Status SqliteStore::finish_commit() {
  const Status committed = database_.run("COMMIT");
  if (committed) return committed;
  const int code = sqlite3_errcode(database_.handle()) & 0xff;
  if (code == SQLITE_BUSY || code == SQLITE_FULL) return committed;  // the commit mark was not written
  broken_ = true;
  return failure(ErrorCode::unknown_outcome, committed.error().message);
}

Status SqliteStore::compare(const Transaction& transaction) {
  const char* const sql = "SELECT value, revision FROM pair WHERE key = ? AND value IS NOT NULL";
  {
    Statement select(database_, sql);
    const Result<bool> row = select.bind(kTermKey).step();
    if (!row) return failure(row.error());
    const Result<Term> term = parse_term(*row ? std::optional(select.text(0)) : std::nullopt);
    if (!term) return failure(term.error());
    if (const Status s = compare_term(transaction, *term); !s) return s;
  }
  for (const Expectation& expectation : transaction.expect) {
    Statement select(database_, sql);
    const Result<bool> row = select.bind(expectation.key).step();
    if (!row) return failure(row.error());
    const auto stored = *row ? std::optional(Revision(select.number(1))) : std::nullopt;
    if (const Status s = compare_expectation(expectation, stored); !s) return s;
  }
  return {};
}

Status SqliteStore::put(std::string_view key, std::string_view value, Revision revision) {
  Statement upsert(database_,
                   "INSERT INTO pair (key, value, revision) VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET "
                   "value = excluded.value, revision = excluded.revision");
  return upsert.bind(key).bind(value).bind(revision.value).finish();
}

Status SqliteStore::apply(const Transaction& transaction, Revision revision) {
  for (const KeyValue& pair : transaction.puts)
    if (const Status s = put(pair.key, pair.value, revision); !s) return s;
  for (const std::string& key : transaction.deletes) {
    Statement erase(database_,
                    "UPDATE pair SET value = NULL, revision = ? WHERE key = ? AND value IS NOT NULL");
    if (const Status s = erase.bind(revision.value).bind(key).finish(); !s) return s;
  }
  return revision.value % kForgetEvery == 0 ? forget_deletions(revision) : Status();
}

Status SqliteStore::forget_deletions(Revision revision) {
  Statement oldest(database_,
                   "SELECT revision FROM pair WHERE value IS NULL AND revision < ? ORDER BY revision DESC "
                   "LIMIT 1 OFFSET ?");
  const Result<bool> row = oldest.bind(revision.value).bind(kRememberedDeletions).step();
  if (!row) return failure(row.error());
  if (!*row) return {};
  forgotten_ = Revision(oldest.number(0));
  Statement forget(database_, "DELETE FROM pair WHERE value IS NULL AND revision <= ?");
  if (const Status s = forget.bind(forgotten_.value).finish(); !s) return s;
  return set_meta("forgotten", std::to_string(forgotten_.value));
}

Result<StoreChanges> SqliteStore::changes(Revision after, std::size_t limit) {
  const std::lock_guard lock(mutex_);
  if (const Status s = check_broken(); !s) return failure(s.error());
  if (const Status s = check_changes_after(after, forgotten_); !s) return failure(s.error());
  limit = std::clamp<std::size_t>(limit, 1, kMostChanges);
  Statement select(database_,
                   "SELECT key, value, revision FROM pair WHERE revision > ? ORDER BY revision, key LIMIT ?");
  select.bind(after.value).bind(limit + kMostOperations + 1);
  std::vector<StoreChange> rows;
  for (;;) {
    const Result<bool> row = select.step();
    if (!row) return failure(row.error());
    if (!*row) return cut_changes(std::move(rows), limit, revision_);
    std::optional<std::string> value;
    if (!select.is_null(1)) value = select.text(1);
    rows.push_back({select.text(0), std::move(value), Revision(select.number(2))});
  }
}

// The lock file already says that we are the only process: no one else could hold a lease.
Result<StoreLease> SqliteStore::grant(std::string_view name, std::string_view holder, Duration ttl) {
  const std::lock_guard lock(mutex_);
  return StoreLease{std::string(name), std::string(holder), ++last_lease_, ttl};
}
Status SqliteStore::renew(const StoreLease&) {
  const std::lock_guard lock(mutex_);
  return check_broken();
}
Status SqliteStore::revoke(const StoreLease&) { return {}; }

}  // namespace

Result<std::unique_ptr<Store>> open_sqlite_store(const std::string& path, Random& random) {
  auto store = std::make_unique<SqliteStore>(path);
  if (const Status s = store->open(random); !s) return failure(s.error());
  return std::unique_ptr<Store>(std::move(store));
}

}  // namespace bascule
