#include "cluster/replay.h"

#include <cerrno>
#include <cstring>
#include <fstream>

#include "base/json.h"
#include "cluster/journal_lines.h"
#include "failover/step.h"

namespace bascule {

namespace {

// The lines of a segment as far as they are whole.
class SegmentReader {
 public:
  static Result<SegmentReader> open(const std::string& path) {
    SegmentReader reader(path);
    if (!reader.file_)
      return failure(ErrorCode::not_found, "can't open " + path + ": " + std::strerror(errno));
    return reader;
  }

  // Nothing at the end.
  Result<std::optional<JournalLine>> next() {
    std::string text;
    if (!std::getline(file_, text)) return std::nullopt;
    ++number_;
    torn_ = file_.eof();  // no line break behind it
    if (torn_) return std::nullopt;
    Result<JournalLine> line = json::decode_text<JournalLine>(text, json::Unknown::tolerate);
    if (line) return std::optional(std::move(*line));
    return failure(ErrorCode::corrupt,
                   path_ + ", line " + std::to_string(number_) + " can't be read: " + line.error().message);
  }
  bool torn() const { return torn_; }

  Result<JournalHeader> header() {
    Result<std::optional<JournalLine>> line = next();
    if (!line) return failure(line.error());
    auto* header = *line ? std::get_if<JournalHeader>(&**line) : nullptr;
    if (!header) return failure(ErrorCode::invalid, path_ + " doesn't begin as a segment of a journal does");
    if (header->format != kJournalFormat)
      return failure(ErrorCode::invalid, path_ + " has format " + std::to_string(header->format) +
                                             ", this program reads " + std::to_string(kJournalFormat) +
                                             ": replay it with " + header->build);
    return std::move(*header);
  }

 private:
  explicit SegmentReader(const std::string& path) : path_(path), file_(path) {}

  std::string path_;
  std::ifstream file_;
  std::uint64_t number_ = 0;
  bool torn_ = false;
};

std::string type_of(const EventBody& body) {
  return std::visit([](const auto& event) { return std::string(event.kType); }, body);
}

}  // namespace

Result<Replay> replay_segment(const std::string& path, const std::function<void(const AuditEntry&)>& tell) {
  Result<SegmentReader> reader = SegmentReader::open(path);
  if (!reader) return failure(reader.error());
  Result<JournalHeader> header = reader->header();
  if (!header) return failure(header.error());
  Replay replay;
  replay.build = header->build;
  replay.begun = header->begun;
  replay.audit = header->audit;
  replay.state = std::move(header->state);
  rebuild_indexes(replay.state);
  while (!replay.difference) {
    const Result<std::optional<JournalLine>> line = reader->next();
    if (!line) return failure(line.error());
    if (!*line) break;
    const auto* recorded = std::get_if<JournalStep>(&**line);
    if (!recorded) return failure(ErrorCode::corrupt, path + " has a second beginning");
    ++replay.steps;
    const AuditHead before = replay.audit;
    Outcome outcome = step(std::move(replay.state), recorded->event, recorded->at, header->policy);
    replay.state = std::move(outcome.next);
    for (const AuditRecord& record : outcome.audit) {
      ++replay.decisions;
      tell(seal(replay.audit, recorded->event.wall, record).entry);
    }
    const AuditHead expected = recorded->audit.value_or(before);
    if (expected.number != replay.audit.number || expected.hash != replay.audit.hash)
      replay.difference = {replay.steps, recorded->event.wall, type_of(recorded->event.body), expected,
                           replay.audit};
  }
  replay.torn = reader->torn();
  return replay;
}

}  // namespace bascule
