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
#include "cli/commands.h"
#include "cli/connect.h"
#include "cli/document.h"

namespace bascule::cli {
namespace {

constexpr char kLeave = 0x1d;  // Ctrl-]

struct ConsoleOptions {
  std::string vm;
  std::string reason;
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
    events.on_message = [](const std::shared_ptr<net::WebSocket>&, const std::string& bytes) {
      (void)!write(STDOUT_FILENO, bytes.data(), bytes.size());
    };
    events.on_close = [this](const std::shared_ptr<net::WebSocket>&, const std::string& why) {
      const std::lock_guard lock(mutex_);
      over_ = true;
      why_ = why;
      tell();
    };
    return events;
  }

  // What is typed goes out. Why the other side ended it; empty when this one did.
  std::string carry() {
    while (true) {
      const std::shared_ptr<net::WebSocket> socket = this->socket();
      if (over()) return why();
      pollfd files[] = {{changed_, POLLIN, 0}, {socket ? STDIN_FILENO : -1, POLLIN, 0}};
      if (poll(files, 2, -1) < 0) continue;
      std::uint64_t ignored = 0;
      if (files[0].revents) (void)!read(changed_, &ignored, sizeof ignored);
      if (socket && files[1].revents && !pass_on(*socket)) {
        socket->close();
        return "";
      }
    }
  }

 private:
  static bool pass_on(net::WebSocket& socket) {
    char block[1024];
    const ssize_t size = read(STDIN_FILENO, block, sizeof block);
    if (size <= 0) return false;
    const std::string typed(block, static_cast<std::size_t>(size));
    return typed.find(kLeave) == std::string::npos && socket.send(typed);
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

int open_console(Session& session, const ConsoleOptions& options) {
  const auto to = client_options(session.globals);
  if (!to) return session.report(to.error());
  const auto made = session.post("/v1/vms/" + segment(options.vm) + "/console", reason_body(options.reason));
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
  command.add_option("--reason", options->reason, "Why, in three words at least; goes into the audit")
      ->type_name("TEXT");
}

}  // namespace bascule::cli
