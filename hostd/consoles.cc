#include "hostd/consoles.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <pugixml.hpp>
#include <vector>

#include "base/log.h"
#include "hostd/domain_xml.h"
#include "hostd/system_error.h"

namespace bascule::hostd {
namespace {

constexpr std::size_t kBlock = 16 * 1024;
constexpr std::size_t kMostAhead = 128 * 1024;  // in either direction, before the other side waits
constexpr Duration kConnectTime = 5s;

Result<int> open_terminal(const std::string& path) {
  const int terminal = ::open(path.c_str(), O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
  if (terminal < 0) return failure(system_error("opening the serial line"));
  termios settings{};
  if (tcgetattr(terminal, &settings) == 0) {
    cfmakeraw(&settings);
    tcsetattr(terminal, TCSANOW, &settings);
  }
  return terminal;
}

Result<int> open_socket(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return failure(ErrorCode::invalid, "its path is too long");
  path.copy(address.sun_path, path.size());
  const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (socket < 0) return failure(system_error("a socket"));
  if (connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return socket;
  const Error error = system_error("connecting to the screen");
  close(socket);
  return failure(error);
}

bool is_clear(const Error& error) {
  return error.code == ErrorCode::denied || error.code == ErrorCode::not_found ||
         error.code == ErrorCode::conflict || error.code == ErrorCode::policy;
}
// What isn't for people outside stays in this host's log.
std::string words_for_people(const Error& error) {
  return is_clear(error) ? error.message : "its host can't open it now";
}

std::string name_of_line(const wire::OpenStream& order) {
  return order.vm.value + "/" + std::string(name_of(order.kind));
}

}  // namespace

Result<std::string> console_path(const std::string& domain_xml, wire::ConsoleKind kind) {
  pugi::xml_document document;
  if (!document.load_string(domain_xml.c_str()))
    return failure(ErrorCode::internal, "libvirt's definition of it can't be read");
  const pugi::xml_node devices = document.child("domain").child("devices");
  const bool serial = kind == wire::ConsoleKind::serial;
  const std::string path = serial ? devices.child("serial").child("source").attribute("path").value()
                                  : devices.child("graphics")
                                        .find_child_by_attribute("listen", "type", "socket")
                                        .attribute("socket")
                                        .value();
  if (path.empty())
    return failure(ErrorCode::not_found, serial ? "it has no serial line" : "it has no screen");
  if (serial && !path.starts_with("/dev/pts/"))
    return failure(ErrorCode::policy, "its serial line is no pseudo terminal");
  return path;
}

// One open console. `mutex_` of Consoles guards all but `file`, which its thread alone uses and closes.
struct Consoles::Line {
  Line(const Opened& opened, wire::OpenStream asked)
      : file(opened.file), until(opened.until), order(std::move(asked)), name(name_of_line(order)) {
    order.grant.reset();  // they were spent
    order.glass.reset();
  }
  Line(const Line&) = delete;
  Line& operator=(const Line&) = delete;
  ~Line() { close(file); }

  const int file;
  const std::optional<WallTime> until;
  wire::OpenStream order;
  const std::string name;
  std::shared_ptr<net::WebSocket> socket;
  std::string to_guest;
  std::string why_over;
  bool over = false;

  void end(const std::string& why) {
    if (std::exchange(over, true)) return;
    why_over = why;
    if (socket) socket->close(why);
  }
  short wanted() const {
    const bool reads = socket && socket->queued() < kMostAhead;
    return static_cast<short>((reads ? POLLIN : 0) | (to_guest.empty() ? 0 : POLLOUT));
  }
  void take_from_guest();
  void give_to_guest();
};

void Consoles::Line::take_from_guest() {
  std::string block(kBlock, '\0');
  const ssize_t size = read(file, block.data(), block.size());
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (size <= 0) return end("the machine has ended");
  block.resize(static_cast<std::size_t>(size));
  socket->send(std::move(block));
}

void Consoles::Line::give_to_guest() {
  const ssize_t size = write(file, to_guest.data(), to_guest.size());
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (size < 0) return end("the machine has ended");
  to_guest.erase(0, static_cast<std::size_t>(size));
  if (to_guest.empty() && socket) socket->pause(false);
}

Consoles::Consoles(Hypervisor& hypervisor, const Clock& clock, std::unique_ptr<net::WebSocketDialer> dialer,
                   int wake_fd)
    : hypervisor_(hypervisor), clock_(clock), wake_(wake_fd), dialer_(std::move(dialer)), thread_([this] {
        run();
      }) {}

Result<std::unique_ptr<Consoles>> Consoles::start(Hypervisor& hypervisor, const net::TlsFiles& tls,
                                                  const Clock& clock) {
  net::ClientOptions options;
  options.tls = tls;
  options.connect_time = kConnectTime;
  auto dialer = net::WebSocketDialer::make(options);
  if (!dialer) return failure(dialer.error());
  const int wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake < 0) return failure(system_error("an eventfd"));
  return std::unique_ptr<Consoles>(new Consoles(hypervisor, clock, *std::move(dialer), wake));
}

Consoles::~Consoles() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  wake();
  thread_.join();
  dialer_.reset();  // its thread calls into us
  close(wake_);
}

void Consoles::wake() {
  const std::uint64_t one = 1;
  (void)!write(wake_, &one, sizeof one);  // full means that it is awake
}

Result<std::optional<WallTime>> Consoles::may_open(const wire::OpenStream& order, Agent& agent,
                                                   std::string& path) {
  if (!agent.runs(order.vm, order.generation))
    return failure(ErrorCode::not_found, "it doesn't run on this host any more");
  const Result<std::string> xml = hypervisor_.xml(order.vm);
  if (!xml) return failure(xml.error());
  const Result<std::string> found = console_path(*xml, order.kind);
  if (!found) return failure(found.error());
  path = *found;
  return agent.enter(order, identity_of(*xml));
}

// Whoever is let in has it open: a grant is good once.
Result<Consoles::Opened> Consoles::connect(const wire::OpenStream& order, Agent& agent) {
  const Result<std::string> xml = hypervisor_.xml(order.vm);
  const bool runs = xml && agent.runs(order.vm, order.generation);
  if (!runs) return failure(ErrorCode::not_found, "it doesn't run on this host any more");
  const Result<std::string> found = console_path(*xml, order.kind);
  if (!found) return failure(found.error());
  const Result<int> file =
      order.kind == wire::ConsoleKind::serial ? open_terminal(*found) : open_socket(*found);
  if (!file) return failure(file.error());
  std::string path;
  const auto until = may_open(order, agent, path);
  // Another guest may have got the terminal meanwhile.
  if (until && path == *found && agent.runs(order.vm, order.generation)) return Opened{*file, *until};
  close(*file);
  return until ? failure(ErrorCode::conflict, "it is being moved: try again") : tl::unexpected(until.error());
}

void Consoles::look_again(Agent& agent) {
  std::vector<LinePointer> lines;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [name, line] : lines_)
      if (!line->until) lines.push_back(line);
  }
  for (const LinePointer& line : lines) {
    std::string path;
    const auto may = may_open(line->order, agent, path);
    // A storage or libvirt that doesn't answer for a moment is no reason.
    if (may || !is_clear(may.error())) continue;
    const std::lock_guard lock(mutex_);
    line->end(words_for_people(may.error()));
    wake();
  }
}

void Consoles::open(const wire::OpenStream& order, Agent& agent, const std::string& manager) {
  const Result<Opened> file = connect(order, agent);
  const std::string name = name_of_line(order);
  log(file ? LogLevel::info : LogLevel::warning, "consoles", "open",
      {{"console", name}, {"who", order.who}, {"outcome", file ? "done" : file.error().message}});
  net::WebSocketLimits limits;
  limits.bytes = true;
  const std::string path = std::string(wire::kStreamPath) + order.stream;
  const std::string to =
      order.port == 0 ? manager : manager.substr(0, manager.rfind(':') + 1) + std::to_string(order.port);
  if (file) {
    const auto line = std::make_shared<Line>(*file, order);
    join(line);
    return dialer_->dial(to, path, limits, events_of(line));
  }
  net::WebSocketEvents events;
  events.on_open = [why = words_for_people(file.error())](const std::shared_ptr<net::WebSocket>& socket) {
    socket->close(why);
  };
  dialer_->dial(to, path, limits, std::move(events));
}

void Consoles::join(const LinePointer& line) {
  const std::lock_guard lock(mutex_);
  LinePointer& place = lines_[line->name];
  if (place) place->end("another console took its place");
  place = line;
  if (lines_.size() <= kMost) return;
  line->end("this host has too many consoles open");
  lines_.erase(line->name);
}

// On the dialer's thread.
net::WebSocketEvents Consoles::events_of(const LinePointer& line) {
  net::WebSocketEvents events;
  events.on_open = [this, line](std::shared_ptr<net::WebSocket> socket) {
    const std::lock_guard lock(mutex_);
    if (line->over) return socket->close(line->why_over);
    line->socket = std::move(socket);
    wake();
  };
  events.on_message = [this, line](const std::shared_ptr<net::WebSocket>& socket, const std::string& bytes) {
    const std::lock_guard lock(mutex_);
    line->to_guest += bytes;
    if (line->to_guest.size() > kMostAhead) socket->pause(true);
    wake();
  };
  events.on_drained = [this](const std::shared_ptr<net::WebSocket>&) { wake(); };
  events.on_close = [this, line](const std::shared_ptr<net::WebSocket>&, const std::string& why) {
    const std::lock_guard lock(mutex_);
    line->socket.reset();
    line->end(why);
    wake();
  };
  return events;
}

// Until the first of them must end, in milliseconds; -1: none must. The mutex is held.
int Consoles::wait_for_end() const {
  std::optional<std::int64_t> first;
  for (const auto& [name, line] : lines_)
    if (line->until) first = std::min(first.value_or(INT64_MAX), line->until->unix_ms);
  if (!first) return -1;
  return static_cast<int>(std::clamp<std::int64_t>(*first - clock_.wall().unix_ms, 0, 60'000));
}

void Consoles::end_expired() {
  const WallTime now = clock_.wall();
  for (const auto& [name, line] : lines_)
    if (line->until && line->until->unix_ms <= now.unix_ms) line->end("the grant has expired");
}

void Consoles::run() {
  while (true) {
    std::vector<LinePointer> lines;
    std::vector<pollfd> files{{wake_, POLLIN, 0}};
    int wait = -1;
    {
      const std::lock_guard lock(mutex_);
      if (ending_) return lines_.clear();
      end_expired();
      std::erase_if(lines_, [](const auto& entry) { return entry.second->over; });
      for (const auto& [name, line] : lines_) {
        lines.push_back(line);
        files.push_back({line->file, line->wanted(), 0});
      }
      wait = wait_for_end();
    }
    if (poll(files.data(), files.size(), wait) < 0) continue;
    std::uint64_t ignored = 0;
    (void)!read(wake_, &ignored, sizeof ignored);
    const std::lock_guard lock(mutex_);
    for (std::size_t i = 0; i < lines.size(); ++i) {
      const short seen = files[i + 1].revents;
      Line& line = *lines[i];
      if (!line.over && line.socket && (seen & POLLIN)) line.take_from_guest();
      if (!line.over && (seen & POLLOUT)) line.give_to_guest();
      if (!line.over && (seen & (POLLERR | POLLHUP | POLLNVAL)) && !(seen & POLLIN))
        line.end("the machine has ended");
    }
  }
}

}  // namespace bascule::hostd
