#include "hostd/packet_filter.h"

#include <sys/stat.h>

#include <cerrno>
#include <filesystem>
#include <map>
#include <mutex>

#include "base/durable_file.h"
#include "base/log.h"
#include "hostd/packet_rules.h"
#include "hostd/program.h"
#include "hostd/system_error.h"

namespace bascule::hostd {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLargestScript = 1024 * 1024;
constexpr const char* kScript = "script";  // that nft reads
constexpr const char* kSuffix = ".nft";

class NftFilter final : public PacketFilter {
 public:
  explicit NftFilter(std::string folder) : folder_(std::move(folder)) {}

  Status open() {
    if (mkdir(folder_.c_str(), 0700) != 0 && errno != EEXIST)
      return failure(system_error("creating " + folder_));
    std::error_code error;
    for (const auto& file : fs::directory_iterator(folder_, error)) {
      if (file.path().extension() != kSuffix) continue;
      const auto rules = read_whole(file.path(), kLargestScript);
      if (!rules) return failure(rules.error());
      rules_[VmId(file.path().stem())] = *rules;
    }
    if (error) return failure(ErrorCode::unavailable, "reading " + folder_ + ": " + error.message());
    // A kernel that takes no rules is a fault, told by the first look: it must not end this daemon.
    if (const Status set = run(packet_table(rules_)); !set)
      log(LogLevel::error, "packet_filter", "not_set", {{"why", set.error().message}});
    return {};
  }

  Status protect(const VmSpec& spec) override {
    const std::lock_guard lock(mutex_);
    const std::string rules = packet_rules(spec);
    for (const Nic& nic : spec.nics)
      if (const Status deaf = learn_nothing_of_link_local(nic.bridge); !deaf) return deaf;
    if (const Status set = run(packet_table_with(rules)); !set) return set;
    rules_[spec.id] = rules;
    return write_durably(file_of(spec.id), rules);
  }

  Status look(const std::function<std::set<VmId>()>& guests) override {
    const std::lock_guard lock(mutex_);
    const bool ended = forget_all_but(guests());
    const int before = listed();
    const bool missing = !ended && before != packet_rule_count(rules_);
    if (!ended && !missing) return {};
    if (const Status set = run(packet_table(rules_)); !set) return set;
    if (!missing) return {};
    return failure(ErrorCode::conflict,
                   "somebody changed the rules that keep guests apart (nft list table bridge bascule): "
                   "they are back");
  }

 private:
  std::string file_of(const VmId& vm) const { return folder_ + "/" + vm.value + kSuffix; }

  bool forget_all_but(const std::set<VmId>& guests) {
    return std::erase_if(rules_, [&](const auto& entry) {
             if (guests.contains(entry.first)) return false;
             std::error_code ignored;  // a file that stays is read, and forgotten, by the next life
             fs::remove(file_of(entry.first), ignored);
             return true;
           }) > 0;
  }

  // Frames for 01:80:c2:00:00:0x (IEEE 802.1Q, 8.6.3) pass no filter, and by the address of their sender
  // would draw to the guest what is for another.
  static Status learn_nothing_of_link_local(const std::string& bridge) {
    const auto code =
        run_program({"ip", "link", "set", "dev", bridge, "type", "bridge", "no_linklocal_learn", "1"});
    if (!code) return failure(code.error().within("keeping guests apart"));
    if (*code == 0) return {};
    return failure(ErrorCode::unavailable,
                   "\"" + bridge +
                       "\" is no bridge of this host on which guests can be kept apart; "
                       "what ip(8) says is in the log");
  }

  static int listed() {
    std::string answer;
    const auto code = run_program({"nft", "--json", "list", "table", "bridge", "bascule"}, &answer);
    return code && *code == 0 ? listed_rule_count(answer) : -1;
  }

  Status run(const std::string& script) {
    const std::string file = folder_ + "/" + kScript;
    if (const Status written = write_durably(file, script); !written) return written;
    const auto code = run_program({"nft", "--file", file});
    if (!code) return failure(code.error().within("keeping guests apart"));
    if (*code == 0) return {};
    return failure(ErrorCode::unavailable,
                   "nft refused the rules that keep guests apart; what it says is in the log. Is "
                   "nf_tables in the kernel, and may this daemon administer the network?");
  }

  const std::string folder_;
  std::mutex mutex_;
  std::map<VmId, std::string> rules_;
};

class OpenFilter final : public PacketFilter {
 public:
  Status protect(const VmSpec&) override { return {}; }
  Status look(const std::function<std::set<VmId>()>&) override { return {}; }
};

}  // namespace

Result<std::unique_ptr<PacketFilter>> make_packet_filter(std::string folder) {
  auto filter = std::make_unique<NftFilter>(std::move(folder));
  if (const Status opened = filter->open(); !opened) return failure(opened.error());
  return std::unique_ptr<PacketFilter>(std::move(filter));
}

void remove_packet_filter() {
  (void)run_program({"nft", "add table bridge bascule; delete table bridge bascule"});
}

std::unique_ptr<PacketFilter> make_open_filter() { return std::make_unique<OpenFilter>(); }

}  // namespace bascule::hostd
