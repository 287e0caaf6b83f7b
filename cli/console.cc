// vm console: a machine's serial line in this terminal.
#include <poll.h>
#include <sys/eventfd.h>
#include <termios.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <mutex>
#include <ostream>

#include "base/json.h"
#include "cli/break_glass.h"
#include "cli/commands.h"
#include "cli/connect.h"
#include "cli/document.h"

namespace bascule::cli {
namespace {

constexpr char kLeave = 0x1d;  // Ctrl-]
constexpr int kSilence_ms = 10'000;

struct ConsoleOptions {
  std::string vm;
  std::string reason;
  std::string grant, glass;  // files
};

// Every key goes to the machine, until this ends.
class RawTerminal {
 public:
  explicit RawTerminal(bool interactive) : raw_(interactive && tcgetattr(STDIN_FILENO, &before_) == 0) {
    if (!raw_) return;
    termios raw = before_;
    cfmakeraw(&raw);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw);
  }
  RawTerminal(const RawTerminal&) = delete;
  RawTerminal& operator=(const RawTerminal&) = delete;
  ~RawTerminal() {
    if (raw_) tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
  }

 private:
  termios before_{};
  const bool raw_;
};

// The conversation, until either side ends it.
class Line {
 public:
  Line() : changed_(eventfd(0, EFD_CLOEXEC)) {}
  ~Line() { close(changed_); }
  Line(const Line&) = delete;
  Line& operator=(const Line&) = delete;

  net::WebSocketEvents events() {
    net::WebSocketEvents events;
    events.on_open = [this](std::shared_ptr<net::WebSocket> socket) {
      const std::lock_guard lock(mutex_);
      socket_ = std::move(socket);
      tell();
    };
    events.on_message = [this](const std::shared_ptr<net::WebSocket>&, const std::string& bytes) {
      (void)!write(STDOUT_FILENO, bytes.data(), bytes.size());
      tell();
    };
    events.on_close = [this](const std::shared_ptr<net::WebSocket>&, const std::string& why) {
      const std::lock_guard lock(mutex_);
      over_ = true;
      why_ = why;
      tell();
    };
    return events;
  }

  // What is typed goes out. Why the other side ended it; empty when this one did: by the key for it, or when
  // nothing more was typed and the machine is silent.
  std::string carry() {
    bool typing = true;
    while (true) {
      const std::shared_ptr<net::WebSocket> socket = this->socket();
      if (over()) return why();
      pollfd files[] = {{changed_, POLLIN, 0}, {socket && typing ? STDIN_FILENO : -1, POLLIN, 0}};
      const int seen = poll(files, 2, typing ? -1 : kSilence_ms);
      if (seen < 0) continue;
      std::uint64_t ignored = 0;
      if (files[0].revents) (void)!read(changed_, &ignored, sizeof ignored);
      const Typed typed = seen > 0 && files[1].revents ? pass_on(*socket) : Typed::more;
      typing = typing && typed != Typed::end;
      if (seen > 0 && typed != Typed::leave) continue;
      if (socket) socket->close();
      return "";
    }
  }

 private:
  enum class Typed { more, leave, end };
  static Typed pass_on(net::WebSocket& socket) {
    char block[1024];
    const ssize_t size = read(STDIN_FILENO, block, sizeof block);
    if (size <= 0) return Typed::end;
    const std::string typed(block, static_cast<std::size_t>(size));
    return typed.find(kLeave) == std::string::npos && socket.send(typed) ? Typed::more : Typed::leave;
  }
  void tell() {
    const std::uint64_t one = 1;
    (void)!write(changed_, &one, sizeof one);
  }
  std::shared_ptr<net::WebSocket> socket() {
    const std::lock_guard lock(mutex_);
    return socket_;
  }
  bool over() {
    const std::lock_guard lock(mutex_);
    return over_;
  }
  std::string why() {
    const std::lock_guard lock(mutex_);
    return why_;
  }

  const int changed_;  // an eventfd
  std::mutex mutex_;
  std::shared_ptr<net::WebSocket> socket_;
  bool over_ = false;
  std::string why_;
};

struct ConsoleRequest {
  std::string reason;
  std::optional<Grant> grant;
};
template <class V>
void fields(V& v, ConsoleRequest& x) {
  v("reason", x.reason);
  v.optional("grant", x.grant);
}

struct GlassRequest {
  BrokenGlass glass;
};
template <class V>
void fields(V& v, GlassRequest& x) {
  v("glass", x.glass);
}

// Where to ask for the ticket, and with what.
struct Asking {
  std::string path, body;
};
Outcome<Asking> asking(Session& session, const ConsoleOptions& options) {
  const std::string path = "/v1/vms/" + segment(options.vm) + "/console";
  if (!options.glass.empty()) {
    const auto glass = glass_in(options.glass);
    if (!glass) return tl::unexpected(glass.error());
    return Asking{path + "/broken-glass", json::encode_text(GlassRequest{*glass})};
  }
  const bool granted = !options.grant.empty();
  const auto grant =
      granted ? grant_in(options.grant) : own_grant(session, options.vm, Inside::console, options.reason);
  if (!grant) return tl::unexpected(grant.error());
  return Asking{path + (granted ? "/granted" : ""),
                json::encode_text(ConsoleRequest{options.reason, *grant})};
}

int open_console(Session& session, const ConsoleOptions& options) {
  const auto to = client_options(session.globals, session.asker());
  if (!to) return session.report(to.error());
  const auto ask = asking(session, options);
  if (!ask) return session.report(ask.error());
  const auto made = session.post(ask->path, ask->body);
  if (!made) return session.report(made.error());
  net::WebSocketLimits limits;
  limits.bytes = true;
  Line line;
  const auto client = net::WebSocketClient::dial(*to, text(parse(*made), "path"), limits, line.events());
  if (!client) return session.report({kUnreachable, client.error().message, ""});
  if (session.terminal.interactive)
    session.err << "the serial line of " << harmless(options.vm) << "; Ctrl-] leaves it\n" << std::flush;
  std::string why;
  {
    const RawTerminal raw(session.terminal.interactive);
    why = line.carry();
  }
  if (why.empty()) return kDone;
  return session.report({kRefused, "the console has ended: " + why, ""});
}

}  // namespace

void add_console_command(CLI::App& vm, Session& session) {
  const auto options = std::make_shared<ConsoleOptions>();
  CLI::App& command =
      add_command(vm, session, "console", "The VM's serial line in this terminal; Ctrl-] leaves it",
                  "  bascule vm console shop-1 --reason \"the web server doesn't start\"",
                  [&session, options] { return open_console(session, *options); });
  command.add_option("vm", options->vm, "Name or id of the VM")->required()->type_name("VM");
  command.add_option("--grant", options->grant, "Of its tenant, for one of the provider's staff")
      ->type_name("FILE");
  command.add_option("--broken-glass", options->glass, "What two of the provider signed: vm break-glass")
      ->excludes("--grant")
      ->type_name("FILE");
  command.add_option("--reason", options->reason, "Why, in three words at least; goes into the audit")
      ->type_name("TEXT");
}

}  // namespace bascule::cli
