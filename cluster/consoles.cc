#include "cluster/consoles.h"

#include <algorithm>
#include <vector>

#include "base/net/problem.h"
#include "base/sha256.h"
#include "failover/access/needs.h"
#include "failover/images.h"

namespace bascule {
namespace {

constexpr Duration kLookEvery = 250ms;
constexpr Duration kHostTime = 10s;
constexpr std::size_t kLargestMessage = 64 * 1024;
constexpr std::size_t kMostWaiting = 4 * 1024 * 1024;  // bytes; the other end waits long before

net::WebSocketLimits limits() {
  net::WebSocketLimits limits;
  limits.bytes = true;
  limits.message_bytes = kLargestMessage;
  limits.queued_bytes = kMostWaiting;
  return limits;
}

std::string last_part(const std::string& target) { return target.substr(target.rfind('/') + 1); }

Secret new_name() {
  SystemRandom random;
  return make_secret(random);
}

// The copy that it runs as now; nothing where there is none.
std::optional<Copy> running_copy(const State& state, const Vm& vm) {
  if (vm.record.phase != VmPhase::running || !vm.record.placement.owner) return std::nullopt;
  const auto host = state.hosts.find(*vm.record.placement.owner);
  if (host == state.hosts.end() || !host->second.record.boot_id) return std::nullopt;
  return Copy{host->first, *host->second.record.boot_id};
}

// Of "acme/anna" and "acme/otto".
bool same_tenant(const Principal& one, const Principal& other) {
  const std::string& name = one.id.value;
  return other.id.value.starts_with(name.substr(0, name.find('/') + 1));
}

std::string why_no_image(const State& state, const Principal& who, const ImageId& id) {
  const auto image = state.directory.images.find(id);
  if (image == state.directory.images.end()) return "the image is gone";
  const Scope scope{image->second.tenant, false};
  if (const auto why = why_denied(state.directory, who, Permission::change_machines, scope))
    return why->message;
  return image->second.phase == ImagePhase::removing ? "the image is being removed" : "";
}

}  // namespace

Consoles::Consoles(const Clock& clock) : clock_(clock), thread_([this] { watch(); }) {}

Consoles::~Consoles() {
  end();
  thread_.join();
  server_.reset();  // its thread calls into us
}

Status Consoles::listen(const std::string& address, std::uint16_t port, const net::TlsFiles& tls,
                        std::function<std::string(const net::Peer& host)> why_not) {
  net::ServerOptions options;
  options.address = address;
  options.port = port;
  options.tls = tls;
  options.admit_role = "host";
  options.why_not = std::move(why_not);
  options.http.connections = kMost;
  options.websockets[std::string(wire::kStreamPath)] = host_door();
  auto server = net::Server::start(std::move(options), net::answer_nothing);
  closed_ = !server;
  if (!server) return failure(server.error().within("consoles"));
  server_ = *std::move(server);
  port_ = server_->port();
  return {};
}

void Consoles::connect(Tell tell, std::function<SnapshotPointer()> look) {
  const std::lock_guard lock(mutex_);
  tell_ = std::move(tell);
  look_ = std::move(look);
}

void Consoles::end() {
  std::map<Id, Held> open;
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    tickets_.clear();
    open = streams_;
    changed_.notify_all();
  }
  for (const auto& [id, held] : open) held.joint->close("the manager stops");
}

Result<Secret> Consoles::admit(const Principal& who, Wanted wanted) {
  const std::lock_guard lock(mutex_);
  if (ending_ || !look_ || closed_) return failure(ErrorCode::unavailable, "no consoles are to be had now");
  const auto theirs = [&who](const auto& entry) { return entry.second.who.id == who.id; };
  const auto count = std::count_if(tickets_.begin(), tickets_.end(), theirs) +
                     std::count_if(streams_.begin(), streams_.end(), theirs);
  if (static_cast<std::size_t>(count) >= kMostOfOne || tickets_.size() + streams_.size() >= kMost)
    return failure(ErrorCode::conflict, "too many consoles are open: close one");
  const auto sends_too = [&](const auto& entry) {
    return entry.second.wanted.image && wanted.image && same_tenant(entry.second.who, who);
  };
  if (std::any_of(tickets_.begin(), tickets_.end(), sends_too) ||
      std::any_of(streams_.begin(), streams_.end(), sends_too))
    return failure(ErrorCode::conflict, "another image of yours is being sent: wait for its end");
  const Secret ticket = new_name();
  Held held;
  held.who = who;
  held.wanted = std::move(wanted);
  held.until = clock_.now() + kTicket;
  tickets_.emplace(sha256_hex(ticket.reveal()), std::move(held));
  changed_.notify_all();
  return ticket;
}

net::WebSocketPath Consoles::door() {
  return {[this](const std::string& target, const net::Peer&) { return enter(target); }, limits()};
}

net::WebSocketPath Consoles::host_door() {
  return {[this](const std::string& target, const net::Peer& peer) { return answer(target, peer); },
          limits()};
}

// A ticket is spent by the first try, whatever comes of it.
std::optional<net::WebSocketEvents> Consoles::enter(const std::string& target) {
  const Id ticket = sha256_hex(last_part(target));
  const Secret name = new_name();
  const Id id = sha256_hex(name.reveal());
  const std::lock_guard lock(mutex_);
  auto found = tickets_.extract(ticket);
  if (found.empty() || ending_) return std::nullopt;
  Held held = std::move(found.mapped());
  if (held.until <= clock_.now()) return std::nullopt;
  held.joint = net::WebSocketJoint::make([this, id](const std::string&) {
    const std::lock_guard ended(mutex_);
    streams_.erase(id);
  });
  const SnapshotPointer snapshot = look_();
  const State& state = snapshot->state;
  const auto host = other_end(state, held);
  held.until = clock_.now() + kHostTime;
  const auto joint = held.joint;
  // What is wrong already, the next look finds, and says it to whoever asked.
  if (host && why_over(state, held, clock_.now()).empty()) (void)tell_(*host, order_for(state, held, name));
  streams_.emplace(id, std::move(held));
  changed_.notify_all();
  return joint->events(net::WebSocketJoint::End::near);
}

// Who is to dial in; noted with what is held.
std::optional<Copy> Consoles::other_end(const State& state, Held& held) const {
  std::optional<Copy> found;
  if (held.wanted.image) {
    const auto image = state.directory.images.find(*held.wanted.image);
    const Host* host =
        image == state.directory.images.end() ? nullptr : keeper_of_image(state, image->second);
    if (host && host->record.boot_id) found = Copy{host->record.id, *host->record.boot_id};
  } else if (const auto vm = state.vms.find(held.wanted.vm); vm != state.vms.end()) {
    found = running_copy(state, vm->second);
    held.generation = vm->second.record.placement.generation;
  }
  if (found) held.host = found->host;
  return found;
}

wire::FromManager Consoles::order_for(const State& state, const Held& held, const Secret& name) const {
  const Wanted& wanted = held.wanted;
  if (!wanted.image)
    return wire::OpenStream{name.reveal(), wanted.vm,    held.generation, wanted.kind,
                            held.who.id,   wanted.grant, wanted.glass,    port_};
  const TenantImage& image = state.directory.images.at(*wanted.image);
  return wire::ReceiveImage{name.reveal(), image.id,     image.pool, image.kind,
                            image.bytes,   image.sha256, port_};
}

std::optional<net::WebSocketEvents> Consoles::answer(const std::string& target, const net::Peer& peer) {
  const std::lock_guard lock(mutex_);
  const auto found = streams_.find(sha256_hex(last_part(target)));
  if (found == streams_.end() || found->second.answered || found->second.host.value != peer.name)
    return std::nullopt;
  found->second.answered = true;
  return found->second.joint->events(net::WebSocketJoint::End::far);
}

std::string Consoles::why_over(const State& state, const Held& held, Instant now) const {
  if (std::string why =
          held.wanted.image ? why_no_image(state, held.who, *held.wanted.image) : why_no_console(state, held);
      !why.empty())
    return why;
  if (!held.answered && held.until <= now) return "its host didn't open it in time: try again";
  return "";
}

std::string Consoles::why_no_console(const State& state, const Held& held) {
  const auto vm = state.vms.find(held.wanted.vm);
  if (vm == state.vms.end()) return "the machine is gone";
  Scope scope = scope_of(vm->second);
  scope.delivered = scope.delivered && !held.wanted.granted && !held.wanted.glass;
  if (const auto why = why_denied(state.directory, held.who, Permission::use_console, scope))
    return why->message;
  const auto copy = running_copy(state, vm->second);
  if (!copy || copy->host != held.host || vm->second.record.placement.generation != held.generation)
    return "the machine runs there no more";
  return "";
}

void Consoles::watch() {
  std::unique_lock lock(mutex_);
  while (!ending_) {
    if (tickets_.empty() && streams_.empty())
      changed_.wait(lock);
    else
      changed_.wait_for(lock, kLookEvery);
    if (ending_) return;
    lock.unlock();
    sweep();
    lock.lock();
  }
}

void Consoles::sweep() {
  std::vector<std::pair<std::shared_ptr<net::WebSocketJoint>, std::string>> over;
  {
    const std::lock_guard lock(mutex_);
    const Instant now = clock_.now();
    std::erase_if(tickets_, [now](const auto& entry) { return entry.second.until <= now; });
    if (streams_.empty()) return;
    const SnapshotPointer snapshot = look_();
    for (const auto& [id, held] : streams_)
      if (std::string why = why_over(snapshot->state, held, now); !why.empty())
        over.emplace_back(held.joint, std::move(why));
  }
  for (const auto& [joint, why] : over) joint->close(why);  // it calls us back
}

}  // namespace bascule
