#include "cluster/journal.h"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/json.h"
#include "base/log.h"
#include "cluster/journal_lines.h"

namespace bascule {

namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kSegments = 8;  // that fit within the bound
constexpr Duration kLook = 1s;          // how often an idle writer looks whether it is time to try again

Error system_error(const std::string& what, const std::string& path) {
  return {ErrorCode::unavailable, what + " " + path + ": " + std::strerror(errno)};
}

// dl_iterate_phdr() begins with the program itself: its note of type NT_GNU_BUILD_ID.
int find_build_id(dl_phdr_info* info, std::size_t, void* found) {
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const auto& segment = info->dlpi_phdr[i];
    if (segment.p_type != PT_NOTE) continue;
    const auto* at = reinterpret_cast<const unsigned char*>(info->dlpi_addr + segment.p_vaddr);
    const auto* end = at + segment.p_memsz;
    while (at + sizeof(ElfW(Nhdr)) <= end) {
      ElfW(Nhdr) note;
      std::memcpy(&note, at, sizeof note);
      const auto* description = at + sizeof note + ((note.n_namesz + 3) & ~3U);
      if (note.n_type == NT_GNU_BUILD_ID)
        static_cast<std::string*>(found)->assign(description, description + note.n_descsz);
      at = description + ((note.n_descsz + 3) & ~3U);
    }
  }
  return 1;  // the libraries don't decide
}

struct Segment {
  fs::path path;
  std::uint64_t bytes = 0;
};

// Oldest first: their names begin with the time.
std::vector<Segment> segments_in(const std::string& directory) {
  std::vector<Segment> segments;
  std::error_code error;
  for (fs::directory_iterator entry(directory, error), end; !error && entry != end; entry.increment(error)) {
    if (entry->path().extension() != ".jsonl") continue;
    std::error_code gone;
    const std::uint64_t bytes = entry->file_size(gone);
    if (!gone) segments.push_back({entry->path(), bytes});
  }
  std::sort(segments.begin(), segments.end(),
            [](const Segment& a, const Segment& b) { return a.path < b.path; });
  return segments;
}

// Makes room for `room` bytes more; never deletes `current`.
void delete_oldest(const std::string& directory, const std::string& current, std::uint64_t most,
                   std::uint64_t room) {
  const std::vector<Segment> segments = segments_in(directory);
  std::uint64_t bytes = room;
  for (const Segment& segment : segments) bytes += segment.bytes;
  for (const Segment& segment : segments) {
    if (bytes <= most) return;
    if (segment.path == current) continue;
    std::error_code error;
    if (fs::remove(segment.path, error)) bytes -= segment.bytes;
  }
}

std::string file_name(WallTime wall, Term term) {
  std::string time = to_iso8601(wall);
  std::erase_if(time, [](char c) { return c == '-' || c == ':'; });
  return time + "-term" + std::to_string(term.value) + ".jsonl";
}

std::string line_of(const JournalLine& line) { return json::encode_text(line) + "\n"; }

}  // namespace

std::string build_id() {
  std::string bytes;
  dl_iterate_phdr(find_build_id, &bytes);
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text = BASCULE_VERSION "+";
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

// ---- The engine's thread ----

Journal::Journal(JournalOptions options, const Policy& policy, const Clock& clock)
    : options_(std::move(options)),
      policy_(policy),
      clock_(clock),
      segment_bytes_(options_.most_bytes / kSegments),
      jobs_(options_.most_waiting),
      writer_([this] { run(); }) {}

Journal::~Journal() {
  jobs_.close();
  writer_.join();
}

void Journal::begin(const State& state, const AuditHead& audit) {
  audit_ = audit;
  put({{}, Beginning{state, audit}});
}

void Journal::record(const std::vector<Stepped>& turn, const State& after) {
  for (const Stepped& stepped : turn)
    if (stepped.audit) audit_ = *stepped.audit;
  if (!gap_) put({turn, std::nullopt});
  if (wants_beginning_.exchange(false)) begin(after, audit_);
}

void Journal::put(Job job) {
  gap_ = !jobs_.put(std::move(job));
  if (gap_) overflowed_ = true;
}

// ---- The writer's thread ----

void Journal::run() {
  while (!jobs_.closed() || jobs_.size() > 0) {
    if (const std::optional<Job> job = jobs_.take(kLook)) write(*job);
    if (jobs_.size() == 0 && overflowed_.exchange(false))
      fail({ErrorCode::exhausted, "the disk of " + options_.directory + " is too slow for the events"});
    if (retry_at_ && clock_.now() >= *retry_at_) {
      retry_at_.reset();
      wants_beginning_ = true;
    }
  }
  close_segment();
}

void Journal::write(const Job& job) {
  if (job.beginning) {
    close_segment();
    if (const Status opened = open_segment(*job.beginning); !opened) return fail(opened.error());
    if (failed_) log(LogLevel::info, "journal", "goes_on", {{"segment", path_}});
    failed_ = false;
    return;
  }
  if (file_ < 0) return;  // until the next beginning
  std::string lines;
  for (const Stepped& stepped : job.turn)
    lines += line_of(JournalStep{stepped.at, stepped.event, stepped.audit});
  if (const Status written = append(lines); !written) return fail(written.error());
  const bool was_full = written_ >= segment_bytes_;
  written_ += lines.size();
  if (!was_full && written_ >= segment_bytes_) wants_beginning_ = true;
}

Status Journal::open_segment(const Beginning& beginning) {
  const std::string& directory = options_.directory;
  if (mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST)
    return failure(system_error("can't make the directory", directory));
  std::error_code error;
  const fs::space_info space = fs::space(directory, error);
  if (!error && space.available < 2 * segment_bytes_)
    return failure(ErrorCode::exhausted,
                   "the disk of " + directory + " is nearly full: the database needs it more");
  const WallTime wall = clock_.wall();
  path_ = directory + "/" + file_name(wall, beginning.state.cluster.term);
  file_ = open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (file_ < 0) return failure(system_error("can't create", path_));
  JournalHeader header;
  header.build = build_id();
  header.begun = wall;
  header.policy = policy_;
  header.audit = beginning.audit;
  header.state = beginning.state;
  if (const Status written = append(line_of(std::move(header))); !written) return written;
  delete_oldest(directory, path_, options_.most_bytes, segment_bytes_);
  return {};
}

Status Journal::append(const std::string& text) {
  for (std::string_view rest = text; !rest.empty();) {
    const ssize_t count = ::write(file_, rest.data(), rest.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return failure(system_error("can't write to", path_));
    rest.remove_prefix(static_cast<std::size_t>(count));
  }
  return {};
}

void Journal::close_segment() {
  if (file_ >= 0) close(file_);
  file_ = -1;
  written_ = 0;
}

void Journal::fail(const Error& why) {
  close_segment();
  if (!failed_)
    log(LogLevel::error, "journal", "broken",
        {{"why", why.message},
         {"what", "decisions are taken all the same, but can't be replayed meanwhile"}});
  failed_ = true;
  retry_at_ = clock_.now() + options_.retry;
}

}  // namespace bascule
