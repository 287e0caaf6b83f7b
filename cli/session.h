// Session: one run of `bascule`: the global options, the connection, the terminal, and how things end.
//
// Exit codes: 0 done, 1 refused or failed, 2 wrong usage or configuration, 3 the manager can't be reached,
// 4 no answer in time: it may or may not have been done.
#pragma once

#include <functional>
#include <iosfwd>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/net/http.h"
#include "base/random.h"
#include "base/result.h"
#include "base/secret.h"
#include "base/time.h"
#include "cli/table.h"

namespace bascule::cli {

inline constexpr int kDone = 0;
inline constexpr int kRefused = 1;
inline constexpr int kUsage = 2;
inline constexpr int kUnreachable = 3;
inline constexpr int kUnknown = 4;

// What happened, and what to do next (may be empty).
struct Failure {
  int exit_code = kRefused;
  std::string message;
  std::string next;
};
template <class T>
using Outcome = tl::expected<T, Failure>;

struct Globals {
  bool json = false;
  std::string config;
  int wait_s = 300;  // for the end of an operation
};

struct Terminal {
  bool colours = false;      // of standard output
  bool interactive = false;  // questions may be asked
  bool progress = false;     // standard error is a terminal
};

// One line that isn't shown while it is typed; nothing at the end of the input.
using AskSecret = std::function<std::optional<Secret>(const std::string& question)>;
// Makes the connection of the first request; tests give their own.
using Connect = std::function<Outcome<std::unique_ptr<net::HttpClient>>(const Globals&, const AskSecret&)>;

class Session {
 public:
  Session(std::ostream& out, std::ostream& err, std::istream& in, Terminal terminal, Connect connect);
  ~Session();

  Globals globals;
  int exit_code = kDone;
  std::ostream& out;
  std::ostream& err;
  const Terminal terminal;

  // The body of the answer. Reading is repeated once when the connection broke.
  Outcome<std::string> get(const std::string& target, Duration time = std::chrono::seconds(10));

  // All pages of a list, as one.
  Outcome<std::string> get_all(const std::string& target);

  // Asks for a change and waits until it has ended (globals.wait_s at most); gives the operation's body.
  Outcome<std::string> change(const std::string& method, const std::string& target, const std::string& body);

  // Asks for what is made and shown at once, such as a token; gives the answer's body.
  Outcome<std::string> post(const std::string& target, const std::string& body);

  // Says a failure on standard error; gives its exit code.
  int report(const Failure& failure);
  // Prints the API's own representation, indented.
  int print_json(const std::string& body);
  // Prints `body` as JSON if --json was given, otherwise calls `print`; a failure is reported.
  int show(const Outcome<std::string>& body, const std::function<void(const std::string&)>& print);
  // See AskSecret.
  std::optional<Secret> ask_secret(const std::string& question);
  // The same, but what was answered once isn't asked again.
  AskSecret asker();
  // Asks a question that only the exact answer confirms. False without a terminal.
  bool confirmed(const std::string& question, const std::string& answer);

  std::string paint(const std::string& text, Tone tone) const {
    return painted(text, tone, terminal.colours);
  }

 private:
  Outcome<net::HttpResponse> send(const net::HttpRequest& request, Duration time);
  Outcome<std::string> follow(const std::string& id, Instant deadline);

  std::istream& in_;
  Connect connect_;
  std::unique_ptr<net::HttpClient> client_;
  std::map<std::string, Secret> answered_;  // by its question
  SystemRandom random_;
  SystemClock clock_;
};

// A name as one segment of a path.
std::string segment(const std::string& name);

}  // namespace bascule::cli
