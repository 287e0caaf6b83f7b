#include "api/api.h"

#include <fmt/format.h>

#include "api/conditions.h"
#include "api/password.h"
#include "api/represent.h"
#include "api/routes.h"
#include "base/json.h"
#include "base/log.h"
#include "base/sha256.h"
#include "failover/access/needs.h"
#include "failover/operator.h"

namespace bascule::api {
namespace {

constexpr std::size_t kMostReads = 256;
constexpr std::size_t kMostReports = 16;
constexpr std::size_t kMostFollowers = 10'000;
constexpr std::size_t kMostTimers = 20'000;

constexpr std::size_t kMostHashes = 64;  // some 0.1 s each
constexpr std::string_view kBearer = "Bearer ";
constexpr const char* kTaken =
    "this Idempotency-Key, or X-Request-Id, belongs to another request; use a new one";

// A portal says whom it speaks for.
bool asked_by_another_site(const net::HttpRequest& request) {
  const auto header = [&request](const char* name) {
    const auto found = request.headers.find(name);
    return found == request.headers.end() ? std::string() : found->second;
  };
  return net::is_from_elsewhere(header("origin"), header("sec-fetch-site"), header("host"));
}

std::string source_of(const net::HttpRequest& request, Door door) {
  const auto told = request.headers.find("x-source");
  if (door == Door::portal && told != request.headers.end()) return told->second;
  return net::host_of(request.peer.address);
}

Problem with_status(int status, std::string message) {
  Problem problem = problem_of({ErrorCode::invalid, std::move(message)});
  problem.status = status;
  return problem;
}

// RFC 7240, 4.1.
bool prefers_async(const Call& call) {
  const auto prefer = call.request.headers.find("prefer");
  return prefer != call.request.headers.end() && prefer->second.find("respond-async") != std::string::npos;
}

void answer_operation(const Call& call, const OperationView& operation) {
  if (operation.error) return call.refuse(problem_of(*operation.error));
  call.answer(200, json::encode_text(operation));
}

void answer_again(const Route& route, const Call& call, const KeptRequest& kept) {
  if (kept.digest != call.digest) return call.refuse(ErrorCode::conflict, kTaken);
  if (!kept.ended)
    return call.refuse(
        ErrorCode::unknown_outcome,
        "the manager was restarted while this was being done: look at what it was to change, then "
        "ask with another Idempotency-Key if need be");
  answer_operation(call, {kept.id, kept.error ? OperationState::failed : OperationState::done,
                          std::string(route.description.name), kept.subject, kept.by, kept.error});
}

// For the operation's end.
Operations::Waiter answer_of(std::shared_ptr<const Call> call, std::shared_ptr<Waits::Place> place) {
  return [call = std::move(call), place = std::move(place)](const OperationView& ended) {
    if (place) place->release();
    answer_operation(*call, ended);
  };
}

}  // namespace

void Call::answer(int status, std::string json) const {
  answer(status, std::move(json), "application/json", {});
}

void Call::answer(int status, std::string body, std::string type,
                  std::map<std::string, std::string> more) const {
  net::HttpResponse response;
  response.status = status;
  response.body = std::move(body);
  response.content_type = std::move(type);
  response.headers = std::move(more);
  response.headers.insert(headers.begin(), headers.end());
  response.headers["x-request-id"] = id.value;
  response.headers["cache-control"] = "no-store";
  reply(std::move(response));
}

void Call::refuse(Problem problem) const {
  problem.request = id.value;
  net::HttpResponse response = respond(problem);
  response.headers.insert(headers.begin(), headers.end());
  response.headers["cache-control"] = "no-store";
  if (problem.status == 401) response.headers["www-authenticate"] = "Bearer";
  reply(std::move(response));
}

void Call::refuse(ErrorCode code, std::string message, std::vector<FieldProblem> errors) const {
  refuse(problem_of({code, std::move(message)}, std::move(errors)));
}

void Call::refuse_all(std::vector<FieldProblem> errors) const {
  std::string message;
  for (const FieldProblem& error : errors)
    message += (message.empty() ? "" : "; ") + error.path + ": " + error.problem;
  refuse(ErrorCode::invalid, std::move(message), std::move(errors));
}

void Call::wait(Duration time, const std::string& message) const {
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(time).count();
  Problem problem = problem_of({ErrorCode::exhausted, message + fmt::format(": wait {} s", seconds)});
  problem.status = 429;
  problem.retry_after_s = static_cast<int>(seconds);
  refuse(std::move(problem));
}

Api::Api(Services services, ApiOptions options)
    : services_(std::move(services)),
      options_(std::move(options)),
      readers_(kMostReads),
      reporters_(kMostReports),
      keepers_(kMostReads),
      followers_(kMostFollowers),
      hashers_(kMostHashes),
      timers_(kMostTimers) {}

net::HttpHandler Api::handler(Door door) {
  return [this, door](net::HttpRequest request, net::HttpReply reply) {
    handle(std::move(request), std::move(reply), door);
  };
}

RequestId Api::request_id(const net::HttpRequest& request) {
  const auto given = request.headers.find("x-request-id");
  if (given != request.headers.end() && is_valid_uuid(given->second)) return RequestId(given->second);
  return RequestId(new_uuid());
}

bool Api::recognize(Call& call) {
  const auto given = call.request.headers.find("authorization");
  if (given == call.request.headers.end() || !given->second.starts_with(kBearer)) return true;
  const TokenId token(sha256_hex(given->second.substr(kBearer.size())));
  const SnapshotPointer snapshot = services_.snapshot();
  const auto found = snapshot->state.directory.tokens.find(token);
  if (found == snapshot->state.directory.tokens.end()) return true;
  const TenantUser* user = signed_in(snapshot->state.directory, {found->second.user, token});
  if (!user || found->second.expires <= clock_.wall()) return true;
  call.by = user->id;
  call.token = token;
  call.tenant = user->tenant;
  note_rate(call);
  const bool reads = call.request.method == "GET";
  return may_go_on(call, reads ? TokenUse::kRead : TokenUse::kChange);
}

// Before this request is counted: draft-ietf-httpapi-ratelimit-headers, in its widespread older form.
void Api::note_rate(Call& call) const {
  const TokenUse::Left left = token_use_.left(call.by, clock_.now());
  call.headers["ratelimit-limit"] = std::to_string(left.most);
  call.headers["ratelimit-remaining"] = std::to_string(left.left);
  call.headers["ratelimit-reset"] =
      std::to_string(std::chrono::ceil<std::chrono::seconds>(left.full).count());
}

bool Api::may_go_on(const Call& call, int cost) {
  const Duration wait =
      token_use_.note({call.token, call.by, call.tenant}, cost, clock_.now(), clock_.wall());
  if (wait > 0s) call.wait(wait, "you ask too often");
  return wait <= 0s;
}

void Api::handle(net::HttpRequest request, net::HttpReply reply, Door door) {
  Call call;
  call.id = request_id(request);
  if (door == Door::operators) call.by = OperatorId(request.peer.name);
  call.source = source_of(request, door);
  call.reply = std::move(reply);
  // A browser shows its holder's card to whichever page asks; at portals it takes a token, which no page of
  // another site has.
  if (door == Door::operators && asked_by_another_site(request))
    return call.refuse(ErrorCode::denied, "a page of another site asked for this");
  Result<Target> target = parse_target(request.target);
  if (!target) return call.refuse(problem_of(target.error()));
  auto found = match(routes(), request.method, target->path);
  if (std::holds_alternative<NoSuchPath>(found))
    return call.refuse(ErrorCode::not_found, "no such path: " + target->path + "; all paths begin with /v1/");
  if (const auto* wrong = std::get_if<WrongMethod>(&found))
    return call.refuse(with_status(405, target->path + " takes only " + wrong->allowed));
  const bool is_json = request.content_type.empty() || request.content_type.starts_with("application/json");
  if (!request.body.empty() && !is_json)
    return call.refuse(with_status(415, "the body must be application/json"));
  auto& matched = std::get<Match>(found);
  call.path = std::move(matched.parameters);
  call.query = std::move(target->query);
  call.request = std::move(request);
  if (door != Door::operators && !recognize(call)) return;
  if (!read_conditions(*matched.route, call)) return;
  if (call.digest.empty() || call.by.empty()) return admit(*matched.route, std::move(call), door);
  admit_once(*matched.route, std::move(call), door);
}

void Api::admit(const Route& route, Call call, Door door) {
  const SnapshotPointer snapshot = services_.snapshot();
  const State& state = snapshot->state;
  const Vm* vm = route.reach == Reach::machine ? find_vm(state, call.path.at("id"), call.tenant) : nullptr;
  if (const auto why = why_not_admitted(state, route, door, call.who(), vm)) {
    // Strangers have no audit: it can't be theirs to fill.
    if (why->code == ErrorCode::unauthenticated) return call.refuse(problem_of(*why));
    if (!call.tenant.empty() && !may_go_on(call, TokenUse::kChange)) return;
    return note(route, std::move(call), why->code == ErrorCode::not_found ? nullptr : vm, *why);
  }
  // Of the provider's staff. A change is noted by the engine, in the step that makes it.
  const bool looks_at_tenant = door == Door::operators && vm && !scope_of(*vm).tenant.empty();
  if (route.method != "GET" || !looks_at_tenant) return route.handler(*this, std::move(call));
  note(route, std::move(call), vm, std::nullopt);
}

// Shown only once it is stored that it was looked at; refused at once, and stored beside it.
void Api::note(const Route& route, Call call, const Vm* vm, std::optional<Error> refused) {
  call.digest.clear();  // of the request itself, not of this note of it
  NoteAccess event{call.asked(""), std::string(route.method) + " " + std::string(route.pattern), "api",
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

void Api::admit_once(const Route& route, Call call, Door door) {
  const auto shared = std::make_shared<const Call>(std::move(call));
  const auto known = operations_.find(shared->id);
  if (known && known->state != OperationState::failed) {
    const auto place = place_to_wait(*shared);
    const auto begun = operations_.attach(shared->id, shared->digest, shared->by, answer_of(shared, place));
    if (begun) return answer_when_ended(shared, place, *begun);
  }
  const bool posted = keepers_.post(0s, [this, &route, shared, door] {
    const auto kept = services_.request(shared->id);
    if (!kept) return shared->refuse(problem_of(kept.error()));
    if (*kept) return answer_again(route, *shared, **kept);
    operations_.forget_failed(shared->id);  // refused at once
    admit(route, *shared, door);
  });
  if (!posted) shared->refuse(ErrorCode::exhausted, "too many requests with keys wait; try again later");
}

std::shared_ptr<Waits::Place> Api::place_to_wait(const Call& call) {
  return call.tenant.empty() ? nullptr : waits_.take(call.by, call.tenant);
}

void Api::change(Call call, const std::string& what, EventBody event) {
  const auto shared = std::make_shared<const Call>(std::move(call));
  const auto place = place_to_wait(*shared);
  const auto begun =
      operations_.begin(shared->id, what, digest_of(shared->request), shared->by, answer_of(shared, place));
  answer_when_ended(shared, place, begun);
  if (begun == Operations::Begun::now)
    services_.submit(std::move(event), [this](const Answer& answer) { operations_.finish(answer); });
}

void Api::answer_when_ended(const std::shared_ptr<const Call>& call,
                            const std::shared_ptr<Waits::Place>& place, Operations::Begun begun) {
  if (begun == Operations::Begun::by_another) return call->refuse(ErrorCode::conflict, kTaken);
  if (begun == Operations::Begun::refused)
    return call->refuse(ErrorCode::exhausted,
                        "too many changes are running; nothing was done, try again later");
  // The answer may come at any time from here on; the reply ignores whatever comes second.
  const bool may_wait = (place || call->tenant.empty()) && !prefers_async(*call);
  const bool timed = timers_.post(may_wait ? options_.answer_time : 0s, [this, call, place] {
    if (place) place->release();
    const auto operation = operation_for(*call, call->id);
    if (operation) call->answer(202, json::encode_text(*operation));
  });
  if (!timed) log(LogLevel::warning, "api", "timers_full", {{"request", call->id}});
}

void Api::submit(Call call, EventBody event, std::function<void(const Call&, const Answer&)> done) {
  const auto shared = std::make_shared<const Call>(std::move(call));
  services_.submit(std::move(event), [shared, done = std::move(done)](const Answer& answer) {
    if (answer.error) return shared->refuse(problem_of(*answer.error));
    done(*shared, answer);
  });
}

std::optional<OperationView> Api::operation_for(const Call& call, const RequestId& operation) const {
  auto view = operations_.find(operation);
  if (!view || (!call.tenant.empty() && view->by != call.by)) return std::nullopt;
  if (view->state != OperationState::running) return view;
  const SnapshotPointer snapshot = services_.snapshot();
  const Vm* vm = vm_of_operation(snapshot->state, operation);
  if (vm && may_see(snapshot->state, call.who(), *vm)) view->progress = vm->record.explanation;
  return view;
}

void Api::show_operation(Call call, const RequestId& operation, Duration wait) {
  const auto shown = operation_for(call, operation);
  if (!shown)
    return call.refuse(ErrorCode::not_found,
                       "no operation " + operation.value +
                           " is remembered: it is old, or the manager was restarted; the audit knows");
  if (wait == 0s || shown->state != OperationState::running)
    return call.answer(200, json::encode_text(*shown));
  const auto shared = std::make_shared<const Call>(std::move(call));
  const std::shared_ptr<Waits::Place> place =
      shared->tenant.empty() ? nullptr : waits_.take(shared->by, shared->tenant);
  if (!place && !shared->tenant.empty()) return shared->wait(1s, "too many of your requests wait");
  const auto answer = [this, shared, place](const OperationView& view) {
    if (place) place->release();
    const SnapshotPointer snapshot = services_.snapshot();
    if (place && !signed_in(snapshot->state.directory, shared->who()))
      return shared->refuse(ErrorCode::unauthenticated, "this session or token has ended: sign in again");
    shared->answer(200, json::encode_text(view));
  };
  // The reply ignores whichever of the two comes second.
  const bool timed = timers_.post(wait, [this, shared, operation, answer] {
    if (const auto now = operation_for(*shared, operation)) answer(*now);
  });
  if (!timed || !operations_.wait(operation, answer)) answer(*shown);
}

void Api::read_later(const Call& call, std::function<void()> job) {
  if (!readers_.post(0s, std::move(job)))
    call.refuse(ErrorCode::exhausted, "too many reads are waiting; try again later");
}

void Api::report_later(const Call& call, const std::function<void()>& job) {
  const std::shared_ptr<Waits::Place> place =
      call.tenant.empty() ? nullptr : reports_.take(call.by, call.tenant);
  if (!place && !call.tenant.empty()) return call.wait(1s, "a report for you is being made");
  const bool posted = reporters_.post(0s, [job, place] {
    job();
    if (place) place->release();
  });
  if (!posted) call.refuse(ErrorCode::exhausted, "too many reports are being made; try again later");
}

void Api::answer_follower(const Call& call, std::function<void()> job) {
  if (!followers_.post(0s, std::move(job)))
    call.refuse(ErrorCode::exhausted, "too many follow what happens; try again later");
}

void Api::hash_later(const Call& call, std::function<void()> job) {
  if (!hashers_.post(0s, std::move(job)))
    call.refuse(ErrorCode::exhausted, "too many passwords are being checked; try again later");
}

Secret Api::new_secret() {
  return with_random([](Random& random) { return make_secret(random); });
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
