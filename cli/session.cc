#include "cli/session.h"

#include <algorithm>
#include <istream>
#include <ostream>

#include "base/hidden_line.h"
#include "base/json.h"
#include "cli/document.h"
#include "cli/progress.h"

namespace bascule::cli {
namespace {

constexpr int kPollSeconds = 20;  // of one look at a running operation; below the manager's 25

Failure failure_of(const Error& error) {
  if (error.code == ErrorCode::unknown_outcome)
    return {kUnknown, error.message, "It may or may not have been done: look before you repeat it."};
  if (error.code == ErrorCode::unavailable || error.code == ErrorCode::timeout)
    return {kUnreachable, error.message,
            "Is bascule-manager running, and is `manager` of the configuration right? "
            "Guests run on without it."};
  return {kRefused, error.message, ""};
}

// The manager refused: what its problem+json says.
Failure failure_of(const net::HttpResponse& response) {
  const Document problem = parse(response.body);
  Failure failure{kRefused, text(problem, "detail"), ""};
  if (failure.message.empty())
    failure.message = "the manager answered with HTTP status " + std::to_string(response.status);
  const std::string code = text(problem, "code");
  if (code == "unknown_outcome" || code == "timeout") failure.exit_code = kUnknown;
  const auto errors = elements(problem, "errors");
  if (errors.size() > 1)
    for (const Document& error : errors)
      failure.next +=
          (failure.next.empty() ? "" : "\n") + text(error, "path") + ": " + text(error, "problem");
  if (!text(problem, "request").empty() && response.status == 500)
    failure.next += (failure.next.empty() ? "" : "\n") +
                    ("Request " + text(problem, "request") + " in the manager's log and audit says more.");
  return failure;
}

}  // namespace

std::string segment(const std::string& name) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string encoded;
  for (const char c : name) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || c == '.';
    if (plain) {
      encoded += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    encoded += {'%', kHex[byte >> 4], kHex[byte & 15]};
  }
  return encoded;
}

Session::Session(std::ostream& o, std::ostream& e, std::istream& i, Terminal t, Connect connect)
    : out(o), err(e), terminal(t), in_(i), connect_(std::move(connect)) {}
Session::~Session() = default;

Outcome<net::HttpResponse> Session::send(const net::HttpRequest& request, Duration time) {
  if (!client_) {
    auto connected = connect_(globals, asker());
    if (!connected) return tl::unexpected(connected.error());
    client_ = std::move(*connected);
  }
  const Progress progress(err, terminal.progress, "waiting for the manager");
  auto response = client_->request(request, time);
  if (!response && request.method == "GET" && response.error().code == ErrorCode::unknown_outcome)
    response = client_->request(request, time);
  if (!response) return tl::unexpected(failure_of(response.error()));
  if (response->status >= 400) return tl::unexpected(failure_of(*response));
  return std::move(*response);
}

Outcome<std::string> Session::get(const std::string& target, Duration time) {
  net::HttpRequest request;
  request.method = "GET";
  request.target = target;
  auto response = send(request, time);
  if (!response) return tl::unexpected(response.error());
  return std::move(response->body);
}

Outcome<std::string> Session::get_all(const std::string& target) {
  auto first = get(target);
  if (!first) return first;
  Document all = parse(*first);
  std::string next = text(all, "next");
  while (!next.empty()) {
    const auto body = get(target + "?after=" + segment(next));
    if (!body) return body;
    const Document page = parse(*body);
    for (const Document& item : elements(page, "items")) all["items"].push_back(item);
    const std::string last = std::exchange(next, text(page, "next"));
    if (next == last) break;  // a server that doesn't get on must not hold us
  }
  all.erase("next");
  return all.dump();
}

Outcome<std::string> Session::change(const std::string& method, const std::string& target,
                                     const std::string& body) {
  net::HttpRequest request;
  request.method = method;
  request.target = target;
  request.content_type = "application/json";
  request.body = body;
  const Instant deadline = clock_.now() + std::chrono::seconds(globals.wait_s);
  const std::string id = make_uuid(random_);
  request.headers["x-request-id"] = id;
  const auto response = send(request, std::chrono::seconds(29));
  if (!response && response.error().exit_code != kUnknown) return tl::unexpected(response.error());
  if (response && response->status != 202) return response->body;
  // Still running, or the answer was lost: the operation is known by the id that we chose.
  auto ended = follow(id, deadline);
  if (!response && !ended && ended.error().exit_code == kRefused) return tl::unexpected(response.error());
  return ended;
}

Outcome<std::string> Session::follow(const std::string& id, Instant deadline) {
  // At least one look: an answer that got lost may have been given.
  for (bool first = true; first || clock_.now() < deadline; first = false) {
    const auto left = std::chrono::ceil<std::chrono::seconds>(deadline - clock_.now()).count();
    const auto poll = std::clamp<std::int64_t>(left, 1, kPollSeconds);
    auto body =
        get("/v1/operations/" + id + "?wait=" + std::to_string(poll), std::chrono::seconds(kPollSeconds + 9));
    if (!body) return body;
    const Document operation = parse(*body);
    if (text(operation, "state") == "done") return body;
    if (text(operation, "state") == "failed") {
      const std::string code = text(operation, "error.code");
      const bool unknown = code == "unknown_outcome" || code == "timeout";
      return tl::unexpected(Failure{unknown ? kUnknown : kRefused, text(operation, "error.message"), ""});
    }
  }
  return tl::unexpected(
      Failure{kUnknown, "the manager still works on it after " + std::to_string(globals.wait_s) + " s",
              "It goes on. `bascule events --follow` and `bascule audit list` show its end."});
}

Outcome<std::string> Session::post(const std::string& target, const std::string& body) {
  net::HttpRequest request;
  request.method = "POST";
  request.target = target;
  request.content_type = "application/json";
  request.body = body;
  auto response = send(request, std::chrono::seconds(29));
  if (!response) return tl::unexpected(response.error());
  return std::move(response->body);
}

int Session::report(const Failure& failure) {
  err << "bascule: " << harmless(failure.message) << '\n';
  if (!failure.next.empty()) err << failure.next << '\n';
  return failure.exit_code;
}

int Session::print_json(const std::string& body) {
  const auto value = json::parse(body);
  out << (value ? value->dump(2, ' ', false, nlohmann::json::error_handler_t::replace) : body) << '\n';
  return kDone;
}

int Session::show(const Outcome<std::string>& body, const std::function<void(const std::string&)>& print) {
  if (!body) return report(body.error());
  if (globals.json) return print_json(*body);
  print(*body);
  return kDone;
}

std::optional<Secret> Session::ask_secret(const std::string& question) {
  return ask_hidden(question, in_, err, terminal.interactive);
}

AskSecret Session::asker() {
  return [this](const std::string& question) -> std::optional<Secret> {
    const auto before = answered_.find(question);
    if (before != answered_.end()) return before->second;
    auto answer = ask_secret(question);
    if (answer) answered_[question] = *answer;
    return answer;
  };
}

bool Session::confirmed(const std::string& question, const std::string& answer) {
  if (!terminal.interactive) return false;
  err << question << ' ' << std::flush;
  std::string line;
  return std::getline(in_, line) && line == answer;
}

}  // namespace bascule::cli
