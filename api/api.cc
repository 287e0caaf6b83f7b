#include "api/api.h"

#include "api/represent.h"
#include "api/routes.h"
#include "base/json.h"
#include "base/log.h"
#include "failover/access/needs.h"

namespace bascule::api {
namespace {

constexpr std::size_t kMostReads = 256;
constexpr std::size_t kMostTimers = 4096;

void answer_operation(const Call& call, const OperationView& operation) {
  if (operation.error) return call.refuse(problem_of(*operation.error));
  call.answer(200, json::encode_text(operation));
}

}  // namespace

void Call::answer(int status, std::string json) const {
  net::HttpResponse response;
  response.status = status;
  response.body = std::move(json);
  response.headers["x-request-id"] = id.value;
  response.headers["cache-control"] = "no-store";
  reply(std::move(response));
}

void Call::refuse(Problem problem) const {
  problem.request = id.value;
  net::HttpResponse response = respond(problem);
  response.headers["x-request-id"] = id.value;
  response.headers["cache-control"] = "no-store";
  if (problem.status == 503) response.headers["retry-after"] = "1";
  reply(std::move(response));
}

void Call::refuse(ErrorCode code, std::string message, std::vector<FieldProblem> errors) const {
  refuse(problem_of({code, std::move(message)}, std::move(errors)));
}

Api::Api(Services services, ApiOptions options)
    : services_(std::move(services)), options_(options), readers_(kMostReads), timers_(kMostTimers) {}

net::HttpHandler Api::handler() {
  return [this](net::HttpRequest request, net::HttpReply reply) {
    handle(std::move(request), std::move(reply));
  };
}

RequestId Api::request_id(const net::HttpRequest& request) {
  const auto given = request.headers.find("x-request-id");
  if (given != request.headers.end() && is_valid_uuid(given->second)) return RequestId(given->second);
  return RequestId(new_uuid());
}

void Api::handle(net::HttpRequest request, net::HttpReply reply) {
  Call call;
  call.id = request_id(request);
  call.by = OperatorId(request.peer.name);
  call.reply = std::move(reply);
  Result<Target> target = parse_target(request.target);
  if (!target) return call.refuse(problem_of(target.error()));
  auto found = match(routes(), request.method, target->path);
  if (std::holds_alternative<NoSuchPath>(found))
    return call.refuse(ErrorCode::not_found, "no such path: " + target->path + "; all paths begin with /v1/");
  if (const auto* wrong = std::get_if<WrongMethod>(&found)) {
    Problem problem = problem_of({ErrorCode::invalid, target->path + " takes only " + wrong->allowed});
    problem.status = 405;
    return call.refuse(problem);
  }
  const bool is_json = request.content_type.empty() || request.content_type.starts_with("application/json");
  if (!request.body.empty() && !is_json) {
    Problem problem = problem_of({ErrorCode::invalid, "the body must be application/json"});
    problem.status = 415;
    return call.refuse(problem);
  }
  auto& matched = std::get<Match>(found);
  call.path = std::move(matched.parameters);
  call.query = std::move(target->query);
  call.request = std::move(request);
  admit(*matched.route, std::move(call));
}

void Api::admit(const Route& route, Call call) {
  const SnapshotPointer snapshot = services_.snapshot();
  const Vm* vm = route.reach == Reach::machine ? find_vm(snapshot->state, call.path.at("id")) : nullptr;
  const Scope scope = vm ? scope_of(*vm) : Scope();
  const auto why = why_denied(snapshot->state.directory, call.by, route.needs, scope);
  if (why) return note(route, std::move(call), vm, *why);
  // A change is noted by the engine, in the step that makes it.
  if (route.method != "GET" || scope.tenant.empty()) return route.handler(*this, std::move(call));
  note(route, std::move(call), vm, std::nullopt);
}

// Shown only once it is stored that it was looked at; refused at once, and stored beside it.
void Api::note(const Route& route, Call call, const Vm* vm, std::optional<Error> refused) {
  NoteAccess event{{call.id, call.by, ""},
                   std::string(route.method) + " " + std::string(route.pattern),
                   "api",
                   refused ? refused->message : ""};
  if (vm) event.subject = "vm/" + vm->record.spec.id.value;
  if (refused) {
    call.refuse(problem_of(*refused));
    return services_.submit(std::move(event), [](const Answer&) {});
  }
  const auto shared = std::make_shared<const Call>(std::move(call));
  services_.submit(std::move(event), [this, shared, handler = route.handler](const Answer& noted) {
    if (noted.error) return shared->refuse(problem_of(*noted.error));
    read_later(*shared, [this, shared, handler] { handler(*this, *shared); });
  });
}

void Api::change(Call call, const std::string& what, EventBody event) {
  const auto shared = std::make_shared<const Call>(std::move(call));
  const auto begun = operations_.begin(shared->id, what, shared->by, [shared](const OperationView& ended) {
    answer_operation(*shared, ended);
  });
  if (begun == Operations::Begun::by_another)
    return shared->refuse(ErrorCode::conflict, "this X-Request-Id belongs to another request; use a new one");
  if (begun == Operations::Begun::refused)
    return shared->refuse(ErrorCode::exhausted,
                          "too many changes are running; nothing was done, try again later");
  // The answer may come at any time from here on; the reply ignores whatever comes second.
  const bool timed = timers_.post(options_.answer_time, [this, shared] {
    const auto operation = operations_.find(shared->id);
    if (operation) shared->answer(202, json::encode_text(*operation));
  });
  if (!timed) log(LogLevel::warning, "api", "timers_full", {{"request", shared->id}});
  if (begun == Operations::Begun::now)
    services_.submit(std::move(event), [this](const Answer& answer) { operations_.finish(answer); });
}

void Api::show_operation(Call call, const RequestId& operation, Duration wait) {
  const auto shown = operations_.find(operation);
  if (!shown)
    return call.refuse(ErrorCode::not_found,
                       "no operation " + operation.value +
                           " is remembered: it is old, or the manager was restarted; the audit knows");
  if (wait == 0s || shown->state != OperationState::running)
    return call.answer(200, json::encode_text(*shown));
  const auto shared = std::make_shared<const Call>(std::move(call));
  const auto answer = [shared](const OperationView& view) { shared->answer(200, json::encode_text(view)); };
  // The reply ignores whichever of the two comes second.
  const bool timed = timers_.post(wait, [this, operation, answer] {
    if (const auto now = operations_.find(operation)) answer(*now);
  });
  if (!timed || !operations_.wait(operation, answer)) answer(*shown);
}

void Api::read_later(const Call& call, std::function<void()> job) {
  if (!readers_.post(0s, std::move(job)))
    call.refuse(ErrorCode::exhausted, "too many reads are waiting; try again later");
}

std::string Api::new_uuid() {
  const std::lock_guard lock(mutex_);
  return make_uuid(random_);
}

std::optional<OperatorId> Api::first_signature(const HostId& host, const Attestation& attestation,
                                               Duration validity) {
  const std::lock_guard lock(mutex_);
  const auto found = attestations_.find(host);
  if (found != attestations_.end()) {
    const Attestation& first = found->second.attestation;
    const bool same = first.serial == attestation.serial && first.boot_id == attestation.boot_id;
    if (same && first.by != attestation.by && clock_.now() - found->second.at <= validity) return first.by;
  }
  attestations_[host] = {attestation, clock_.now()};
  return std::nullopt;
}

}  // namespace bascule::api
