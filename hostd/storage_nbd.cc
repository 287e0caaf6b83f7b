#include "hostd/storage_nbd.h"

#include <charconv>

namespace bascule::hostd {
namespace {

class NbdPool final : public StoragePool {
 public:
  NbdPool(std::string name, NbdAddress address) : name_(std::move(name)), address_(std::move(address)) {}

  const std::string& name() const override { return name_; }
  Status ready() const override { return {}; }  // QEMU opens the export, and says so when it can't
  Result<bool> exists(const std::string& volume) const override {
    if (const Status named = check(volume); !named) return failure(named.error());
    return true;
  }
  Status create(const NewVolume&) override {
    return failure(ErrorCode::invalid, "pool " + name_ + " is an NBD server: its exports are made there");
  }
  Status remove(const std::string&, const VmId&) override {
    return failure(ErrorCode::invalid, "pool " + name_ + " is an NBD server: its exports are removed there");
  }
  Result<OpenedVolume> open(const std::string& volume, const Taking&) override {
    if (const Status named = check(volume); !named) return failure(named.error());
    return OpenedVolume{NbdSource{address_.host, address_.port, volume}, {}};
  }
  std::optional<wire::VolumeSeen> tend(const std::string&, const Tending&) override { return std::nullopt; }
  void close(const std::string&, const VmId&, Generation) override {}
  Status follow(const std::string&, const VmId&) override { return {}; }
  Status check_change(const std::string&, const Changing&) const override {
    return failure(ErrorCode::invalid,
                   "pool " + name_ + " is an NBD server: its volumes neither grow nor have snapshots");
  }
  Status change(const std::string& volume, const Changing& changing) override {
    return check_change(volume, changing);
  }
  Result<std::string> file_path(const std::string&) const override {
    return failure(ErrorCode::invalid, "pool " + name_ + " is an NBD server and has no files");
  }

 private:
  static Status check(const std::string& volume) {
    if (is_valid_name(volume)) return {};
    return failure(ErrorCode::invalid, "\"" + volume + "\" is no name of a volume");
  }

  const std::string name_;
  const NbdAddress address_;
};

}  // namespace

std::optional<NbdAddress> parse_nbd_url(std::string_view url) {
  constexpr std::string_view kScheme = "nbd://";
  if (!url.starts_with(kScheme)) return std::nullopt;
  url.remove_prefix(kScheme.size());
  if (url.ends_with('/')) url.remove_suffix(1);
  NbdAddress address;
  const std::size_t colon = url.rfind(':');
  address.host = url.substr(0, colon);
  if (colon != std::string_view::npos) {
    const std::string_view port = url.substr(colon + 1);
    const auto parsed = std::from_chars(port.data(), port.data() + port.size(), address.port);
    if (parsed.ec != std::errc() || parsed.ptr != port.data() + port.size() || address.port == 0)
      return std::nullopt;
  }
  if (address.host.empty() || address.host.find_first_of("/?#@") != std::string::npos) return std::nullopt;
  return address;
}

std::unique_ptr<StoragePool> make_nbd_pool(const std::string& name, const NbdAddress& address) {
  return std::make_unique<NbdPool>(name, address);
}

}  // namespace bascule::hostd
