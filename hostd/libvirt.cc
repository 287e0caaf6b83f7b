#include "hostd/libvirt.h"

#include <libvirt/libvirt-qemu.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <thread>

#include "base/ensure.h"
#include "base/log.h"
#include "hostd/domain_xml.h"
#include "hostd/libvirt_words.h"

namespace bascule::hostd {
namespace {

constexpr int kKeepaliveSeconds = 1;
constexpr unsigned kKeepaliveCount = 3;
constexpr Duration kReconnectEvery = 1s;
// Calls in parallel: the agent's workers, its survey and its policy. libvirt 9.0 crashes when a connection
// that several threads share is lost (CVE-2024-4418: a callback into a stack frame that is gone), so each
// call has a connection to itself.
constexpr std::size_t kConnections = 10;
constexpr Duration kWaitForConnection = 5s;

struct CloseConnection {
  void operator()(virConnectPtr connection) const { virConnectClose(connection); }
};
struct FreeDomain {
  void operator()(virDomainPtr domain) const { virDomainFree(domain); }
};
struct FreeText {
  void operator()(char* text) const { std::free(text); }
};
using Connection = std::shared_ptr<virConnect>;
using DomainHandle = std::unique_ptr<virDomain, FreeDomain>;
// Unknown to libvirtd again when it goes.
struct ForgetSecret {
  void operator()(virSecretPtr secret) const {
    virSecretUndefine(secret);
    virSecretFree(secret);
  }
};
using SecretHandle = std::unique_ptr<virSecret, ForgetSecret>;
using Text = std::unique_ptr<char, FreeText>;

std::string last_error_text() {
  const virErrorPtr error = virGetLastError();
  return error && error->message ? error->message : "no reason given";
}

Error last_error(const std::string& what, const Connection& connection) {
  // Taken first: every later call into libvirt resets it.
  const int code = virGetLastErrorCode();
  const std::string text = what + ": " + last_error_text();
  if (virConnectIsAlive(connection.get()) != 1)
    return {ErrorCode::unknown_outcome, text + "; the connection to libvirtd broke"};
  switch (code) {
    case VIR_ERR_NO_DOMAIN:
      return {ErrorCode::not_found, text};
    case VIR_ERR_DOM_EXIST:
    case VIR_ERR_OPERATION_INVALID:
      return {ErrorCode::conflict, text};
    case VIR_ERR_OPERATION_TIMEOUT:
      return {ErrorCode::timeout, text};
    case VIR_ERR_XML_ERROR:
    case VIR_ERR_XML_DETAIL:
    case VIR_ERR_CONFIG_UNSUPPORTED:
      return {ErrorCode::invalid, text};
    default:
      return {ErrorCode::internal, text};
  }
}

std::string decode_base64(const std::string& text) {
  std::string bytes(text.size(), '\0');
  const int size =
      EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                      reinterpret_cast<const unsigned char*>(text.data()), static_cast<int>(text.size()));
  const auto padding = static_cast<std::size_t>(std::count(text.begin(), text.end(), '='));
  bytes.resize(size < 0 ? 0 : static_cast<std::size_t>(size) - padding);
  return bytes;
}

// Private, and only in libvirtd's memory; nothing on failure.
SecretHandle define(const Connection& connection, const DiskSecret& secret) {
  const std::string xml = "<secret ephemeral='yes' private='yes'><uuid>" + secret.uuid +
                          "</uuid><usage type='ceph'><name>" + secret.usage + "</name></usage></secret>";
  SecretHandle made(virSecretDefineXML(connection.get(), xml.c_str(), 0));
  std::string key = decode_base64(secret.key.reveal());
  if (made &&
      virSecretSetValue(made.get(), reinterpret_cast<const unsigned char*>(key.data()), key.size(), 0) < 0)
    made.reset();
  OPENSSL_cleanse(key.data(), key.size());
  return made;
}

VmId id_of(virDomainPtr domain) {
  char uuid[VIR_UUID_STRING_BUFLEN] = "";
  virDomainGetUUIDString(domain, uuid);
  return VmId(uuid);
}

// Nothing where it isn't told.
std::optional<std::uint64_t> number_of(const virDomainStatsRecord& record, const std::string& name) {
  unsigned long long number = 0;
  if (virTypedParamsGetULLong(record.params, record.nparams, name.c_str(), &number) <= 0) return std::nullopt;
  return number;
}

constexpr unsigned kDiskStats = VIR_DOMAIN_STATS_BLOCK;
constexpr unsigned kAllStats = VIR_DOMAIN_STATS_BLOCK | VIR_DOMAIN_STATS_CPU_TOTAL |
                               VIR_DOMAIN_STATS_BALLOON | VIR_DOMAIN_STATS_INTERFACE;

// Nothing of a guest that can't be asked now: of that libvirt tells only how many disks it has.
std::optional<GuestUse> use_of(const virDomainStatsRecord& record) {
  GuestUse use;
  use.cpu = std::chrono::nanoseconds(number_of(record, "cpu.time").value_or(0));
  use.memory = number_of(record, "balloon.rss").value_or(0) * 1024;
  for (;;) {
    const std::string disk = "block." + std::to_string(use.disks.size());
    const auto written = number_of(record, disk + ".wr.bytes");
    if (!written) break;
    use.disks.push_back({number_of(record, disk + ".rd.reqs").value_or(0),
                         number_of(record, disk + ".wr.reqs").value_or(0),
                         number_of(record, disk + ".rd.bytes").value_or(0), *written});
  }
  unsigned disks = 0;
  if (virTypedParamsGetUInt(record.params, record.nparams, "block.count", &disks) > 0 &&
      use.disks.size() < disks)
    return std::nullopt;
  for (int nic = 0;; ++nic) {
    const std::string name = "net." + std::to_string(nic);
    // As the host sees its end of the wire: what the guest sent is received there.
    const auto sent = number_of(record, name + ".rx.bytes");
    if (!sent) return use;
    use.sent += *sent;
    use.received += number_of(record, name + ".tx.bytes").value_or(0);
  }
}

class Libvirt final : public Hypervisor {
 public:
  explicit Libvirt(std::string uri) : uri_(std::move(uri)) { run_event_loop(); }

  ~Libvirt() override {
    {
      const std::lock_guard lock(mutex_);
      ending_ = true;
      changed_.notify_all();
    }
    if (supervisor_.joinable()) supervisor_.join();
    loop_ends_ = true;
    loop_.join();
  }

  void subscribe(HypervisorEvents events) override {
    ensure(!supervisor_.joinable(), "subscribe() is called once");
    events_ = std::move(events);
    supervisor_ = std::thread([this] { supervise(); });
  }

  bool connected() const override {
    const std::lock_guard lock(mutex_);
    return events_connection_ && !broken_;
  }

  Result<std::vector<Domain>> list() override {
    const Result<Use> use = take();
    if (!use) return failure(use.error());
    const Connection& connection = use->connection();
    virDomainPtr* raw = nullptr;
    const int count = virConnectListAllDomains(connection.get(), &raw, VIR_CONNECT_LIST_DOMAINS_ACTIVE);
    if (count < 0) return failure(last_error("listing the domains", connection));
    std::vector<DomainHandle> handles;
    for (int i = 0; i < count; ++i) handles.emplace_back(raw[i]);
    std::free(raw);
    std::vector<Domain> domains;
    for (const DomainHandle& handle : handles) {
      const Status added = append_domain(connection, handle.get(), domains);
      if (!added) return failure(added.error());
    }
    return domains;
  }

  Result<std::string> xml(const VmId& vm) override {
    return with_domain(vm, "reading the definition of",
                       [](virDomainPtr domain) -> std::optional<std::string> {
                         const Text text(virDomainGetXMLDesc(domain, 0));
                         return text ? std::optional<std::string>(text.get()) : std::nullopt;
                       });
  }

  Status start_paused(const std::string& xml, const std::vector<DiskSecret>& secrets) override {
    const Result<Use> use = take();
    if (!use) return failure(use.error());
    const Connection& connection = use->connection();
    std::vector<SecretHandle> held;
    for (const DiskSecret& secret : secrets) {
      held.push_back(define(connection, secret));
      if (!held.back()) return failure(last_error("handing a disk's key to libvirtd", connection));
    }
    const DomainHandle domain(virDomainCreateXML(connection.get(), xml.c_str(), VIR_DOMAIN_START_PAUSED));
    if (!domain) return failure(last_error("starting a domain", connection));
    return {};
  }

  Status resume(const VmId& vm) override { return order(vm, "resuming", virDomainResume); }
  Status shutdown(const VmId& vm) override { return order(vm, "shutting down", virDomainShutdown); }
  Status kill(const VmId& vm) override { return order(vm, "killing", virDomainDestroy); }

  Status grow(const VmId& vm, std::size_t disk, std::uint64_t bytes) override {
    const std::string target = disk_target(disk);
    return order(vm, "growing a disk of", [&](virDomainPtr domain) {
      return virDomainBlockResize(domain, target.c_str(), bytes, VIR_DOMAIN_BLOCK_RESIZE_BYTES);
    });
  }

  Result<std::map<VmId, GuestUse>> usage(Uses what) override {
    const Result<Use> use = take();
    if (!use) return failure(use.error());
    virDomainStatsRecordPtr* records = nullptr;
    const int count = virConnectGetAllDomainStats(
        use->connection().get(), what == Uses::disks ? kDiskStats : kAllStats, &records,
        VIR_CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE | VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT);
    if (count < 0) return failure(last_error("asking what the guests use", use->connection()));
    std::map<VmId, GuestUse> all;
    for (int i = 0; i < count; ++i)
      if (auto told = use_of(*records[i])) all[id_of(records[i]->dom)] = std::move(*told);
    virDomainStatsRecordListFree(records);
    return all;
  }

  Result<std::string> qmp(const VmId& vm, const std::string& command) override {
    const auto ask = [&command](virDomainPtr domain) -> std::optional<std::string> {
      char* answer = nullptr;
      if (virDomainQemuMonitorCommand(domain, command.c_str(), &answer, 0) < 0) return std::nullopt;
      const Text text(answer);
      return std::string(text.get());
    };
    return with_domain(vm, "asking the QEMU of", ask);
  }

  Result<std::vector<std::string>> autostarted() override {
    const Result<Use> use = take();
    if (!use) return failure(use.error());
    const Connection& connection = use->connection();
    virDomainPtr* raw = nullptr;
    const int count = virConnectListAllDomains(connection.get(), &raw, VIR_CONNECT_LIST_DOMAINS_AUTOSTART);
    if (count < 0) return failure(last_error("listing the autostarted domains", connection));
    std::vector<std::string> names;
    for (int i = 0; i < count; ++i) {
      const DomainHandle domain(raw[i]);
      names.emplace_back(virDomainGetName(domain.get()));
    }
    std::free(raw);
    return names;
  }

 private:
  // libvirt's default event loop is one per process; whoever made the Hypervisor makes one only.
  void run_event_loop() {
    static std::once_flag once;
    std::call_once(once, [] {
      ensure(virInitialize() == 0 && virEventRegisterDefaultImpl() == 0, "libvirt's event loop starts");
      virSetErrorFunc(nullptr, [](void*, virErrorPtr) {});  // errors come back as values, not on stderr
    });
    // A timer keeps the loop turning, so that it sees the end and what other threads add to it.
    const int timer = virEventAddTimeout(
        500, [](int, void*) {}, nullptr, nullptr);
    loop_ = std::thread([this, timer] {
      while (!loop_ends_) virEventRunDefaultImpl();
      virEventRemoveTimeout(timer);
    });
  }

  // One call's own connection; handed back when the call is over.
  class Use {
   public:
    Use(Libvirt* owner, Connection connection) : owner_(owner), connection_(std::move(connection)) {}
    Use(Use&& other) noexcept : owner_(other.owner_), connection_(std::move(other.connection_)) {}
    Use& operator=(Use&&) = delete;
    ~Use() {
      if (connection_) owner_->give_back(std::move(connection_));
    }
    const Connection& connection() const { return connection_; }

   private:
    Libvirt* owner_;
    Connection connection_;
  };

  Result<Use> take() {
    std::unique_lock lock(mutex_);
    const auto usable = [this] { return events_connection_ && !broken_; };
    const bool waited =
        changed_.wait_for(lock, kWaitForConnection, [&] { return !usable() || !idle_.empty(); });
    if (!usable())
      return failure(ErrorCode::unavailable, "libvirtd at " + uri_ + " doesn't answer; is it running?");
    if (!waited)
      return failure(ErrorCode::exhausted, "all connections to libvirtd are in use; try again later");
    Connection connection = std::move(idle_.back());
    idle_.pop_back();
    return Use(this, std::move(connection));
  }

  void give_back(Connection connection) {
    const bool alive = virConnectIsAlive(connection.get()) == 1;
    const std::lock_guard lock(mutex_);
    const bool of_this_life = std::find(all_.begin(), all_.end(), connection) != all_.end();
    if (!alive && of_this_life) broken_ = true;  // one lost, all lost: the supervisor connects anew
    if (alive && of_this_life) idle_.push_back(std::move(connection));
    changed_.notify_all();
  }

  template <class Ask>
  Result<std::string> with_domain(const VmId& vm, const std::string& what, Ask ask) {
    const Result<Use> use = take();
    if (!use) return failure(use.error());
    const Connection& connection = use->connection();
    const DomainHandle domain(virDomainLookupByUUIDString(connection.get(), vm.value.c_str()));
    std::optional<std::string> answer;
    if (domain) answer = ask(domain.get());
    if (!answer) return failure(last_error(what + " " + vm.value, connection));
    return *answer;
  }

  template <class Call>
  Status order(const VmId& vm, const std::string& what, Call call) {
    const auto ask = [&call](virDomainPtr domain) -> std::optional<std::string> {
      return call(domain) == 0 ? std::optional<std::string>("") : std::nullopt;
    };
    const Result<std::string> done = with_domain(vm, what, ask);
    if (!done) return failure(done.error());
    return {};
  }

  // Adds nothing when the domain ended while we looked.
  static Status append_domain(const Connection& connection, virDomainPtr handle, std::vector<Domain>& all) {
    Domain domain;
    domain.vm = id_of(handle);
    domain.name = virDomainGetName(handle);
    int state = 0;
    int reason = 0;
    if (virDomainGetState(handle, &state, &reason, 0) < 0) {
      Error error = last_error("reading the state of " + domain.name, connection);
      if (error.code == ErrorCode::unknown_outcome) return failure(std::move(error));
      return {};
    }
    domain.state = run_state(state, reason);
    const std::string space(kMetadataNamespace);
    const Text metadata(
        virDomainGetMetadata(handle, VIR_DOMAIN_METADATA_ELEMENT, space.c_str(), VIR_DOMAIN_AFFECT_LIVE));
    if (metadata) domain.generation = generation_of_metadata(metadata.get());
    all.push_back(std::move(domain));
    return {};
  }

  // ---- The supervisor ----

  void supervise() {
    while (true) {
      connect();
      std::unique_lock lock(mutex_);
      if (events_connection_)
        changed_.wait(lock, [this] { return ending_ || broken_; });
      else
        changed_.wait_for(lock, kReconnectEvery, [this] { return ending_; });
      if (ending_) break;
    }
    drop("hostd ends");
  }

  Connection open() {
    Connection fresh(virConnectOpen(uri_.c_str()), [](virConnectPtr raw) {
      if (raw) virConnectClose(raw);
    });
    if (fresh) virConnectSetKeepAlive(fresh.get(), kKeepaliveSeconds, kKeepaliveCount);
    return fresh;
  }

  void connect() {
    drop("lost");
    const Connection events = open();
    std::vector<Connection> fresh;
    while (events && fresh.size() < kConnections) {
      fresh.push_back(open());
      if (!fresh.back()) break;
    }
    if (fresh.empty() || !fresh.back()) {
      const std::string why = last_error_text();
      if (why != last_problem_)
        log(LogLevel::warning, "libvirt", "unreachable", {{"uri", uri_}, {"why", why}});
      last_problem_ = why;
      return;
    }
    last_problem_.clear();
    {
      const std::lock_guard lock(mutex_);
      events_connection_ = events;
      all_ = fresh;
      idle_ = std::move(fresh);
      broken_ = false;
    }
    listen(events.get());
    log(LogLevel::info, "libvirt", "connected", {{"uri", uri_}});
    events_.on_connection(true, "");
    learn_what_qemu_can(events.get());
  }

  // libvirtd asks QEMU when somebody wants to know, which takes half a second and more: rather now than when
  // the first guest is started, perhaps in a failover. Its answer is of no interest, a failure least of all.
  static void learn_what_qemu_can(virConnectPtr connection) {
    const Text unused(virConnectGetCapabilities(connection));
  }

  void listen(virConnectPtr connection) {
    virConnectRegisterCloseCallback(connection, on_close, this, nullptr);
    subscriptions_ = {
        virConnectDomainEventRegisterAny(connection, nullptr, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
                                         VIR_DOMAIN_EVENT_CALLBACK(on_lifecycle), this, nullptr),
        virConnectDomainEventRegisterAny(connection, nullptr, VIR_DOMAIN_EVENT_ID_DEVICE_ADDED,
                                         VIR_DOMAIN_EVENT_CALLBACK(on_device), this, nullptr)};
  }

  // Connections in use close when their call ends. Each callback holds a reference to its connection, which
  // would never close if we left them.
  void drop(const std::string& why) {
    Connection events;
    std::vector<Connection> old;
    {
      const std::lock_guard lock(mutex_);
      events = std::move(events_connection_);
      old = std::move(all_);
      all_.clear();
      idle_.clear();
      changed_.notify_all();
    }
    if (!events) return;
    virConnectUnregisterCloseCallback(events.get(), on_close);
    for (const int subscription : subscriptions_)
      if (subscription >= 0) virConnectDomainEventDeregisterAny(events.get(), subscription);
    log(LogLevel::warning, "libvirt", "disconnected", {{"uri", uri_}, {"why", why}});
    events_.on_connection(false, why);
  }

  static void on_close(virConnectPtr, int, void* opaque) {
    auto* self = static_cast<Libvirt*>(opaque);
    const std::lock_guard lock(self->mutex_);
    self->broken_ = true;
    self->changed_.notify_all();
  }

  static int on_lifecycle(virConnectPtr, virDomainPtr domain, int event, int detail, void* opaque) {
    const auto* self = static_cast<Libvirt*>(opaque);
    if (const std::optional<DomainEventKind> kind = kind_of(event, detail))
      self->events_.on_domain({id_of(domain), *kind});
    return 0;
  }

  static void on_device(virConnectPtr, virDomainPtr domain, const char*, void* opaque) {
    static_cast<Libvirt*>(opaque)->events_.on_domain({id_of(domain), DomainEventKind::device_added});
  }

  const std::string uri_;
  HypervisorEvents events_;
  std::thread supervisor_;
  std::thread loop_;
  std::atomic<bool> loop_ends_{false};
  std::string last_problem_;  // this and the next are the supervisor's own
  std::array<int, 2> subscriptions_{-1, -1};
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  Connection events_connection_;  // events and nothing else
  std::vector<Connection> all_;   // for calls
  std::vector<Connection> idle_;  // those of all_ that no call uses
  bool broken_ = false;
  bool ending_ = false;
};

}  // namespace

std::unique_ptr<Hypervisor> make_libvirt(const std::string& uri) { return std::make_unique<Libvirt>(uri); }

}  // namespace bascule::hostd
