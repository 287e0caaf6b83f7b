// Api: the operators' door to the manager. JSON over mTLS; reads come from a published snapshot and never
// touch the engine's thread, changes are events that the engine answers.
//
// The Api must outlive the server whose handler it is, and the runner's stop(): open requests are answered
// then.
//
// Threads: handle() runs on the HTTP server's thread and never blocks; what must wait goes to two workers.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "api/admission.h"
#include "api/offer.h"
#include "api/operations.h"
#include "api/problem.h"
#include "api/router.h"
#include "api/sign_in_throttle.h"
#include "api/token_use.h"
#include "api/waits.h"
#include "api/worker.h"
#include "base/net/http.h"
#include "base/net/pages.h"
#include "base/random.h"
#include "base/secret.h"
#include "cluster/audit.h"
#include "cluster/consoles.h"
#include "cluster/metrics.h"
#include "cluster/notary.h"
#include "cluster/request_log.h"
#include "cluster/snapshot.h"
#include "cluster/trail.h"
#include "failover/access/authorize.h"
#include "failover/event.h"

namespace bascule {
class Runner;
struct Vm;
}  // namespace bascule

namespace bascule::api {

// What the API needs of the rest. All may be called from any thread; only those that read the
// audit and requests may block.
struct Services {
  std::function<SnapshotPointer()> snapshot;
  // Replies exactly once, from any thread.
  std::function<void(EventBody, std::function<void(const Answer&)>)> submit;
  // As of Trail: the audit's newest entries, and a call when there are more.
  std::function<std::optional<Trail::Page>(std::uint64_t after, std::size_t limit, const TenantId& tenant)>
      recent;
  std::function<bool(std::uint64_t after, const TenantId& tenant, Duration wait, std::function<void()> call)>
      follow;
  std::function<Result<std::vector<AuditEntry>>(std::uint64_t after, std::size_t limit)> audit;
  std::function<Result<std::uint64_t>()> verify_audit;
  // What became of a request that came with a key, if it is kept.
  std::function<Result<std::optional<KeptRequest>>(const RequestId& id)> request;
  std::function<Result<AuditExport>(std::uint64_t after, std::size_t limit)> export_audit;
  // A ticket for somebody who was found to be allowed to use that console.
  std::function<Result<Secret>(const Principal& who, Consoles::Wanted wanted)> console;
  std::function<Metrics::Series(const VmId& vm)> guest_metrics;
  std::function<Metrics::Series(const HostId& host)> host_metrics;
  std::function<Metrics::Series(const HostId& host)> host_now;  // without steps
  std::string audit_key;                                        // public, PEM
  std::vector<std::string> glass_keys{};                        // of whom two break the glass, PEM
  std::string join_address;             // where hosts join, "198.18.0.2:7449"; empty: there is no authority
  std::string fingerprint;              // SHA-256 of the manager's certificate, hexadecimal
  std::vector<std::string> channels{};  // "mail" and "sms", as far as manager.toml has routes for them
};
// Of the production parts, which must outlive the services.
Services services_of(Runner& runner, Store& store, const Notary& notary, Consoles& consoles,
                     const Metrics& metrics, std::vector<std::string> channels);

inline constexpr std::string_view kConsolePath = "/v1/consoles/";  // and the ticket

struct ApiOptions {
  Duration answer_time = 25s;  // below the server's request_time; then 202 and the operation's id
  Offer offer{};
};

// One request on its way through a handler. Exactly one of the answers is given.
struct Call {
  net::HttpRequest request;
  Parameters path;
  Parameters query;
  RequestId id;
  OperatorId by;
  TokenId token{};     // that let a tenant's user in
  TenantId tenant{};   // of that user; empty: one of the provider's staff, or nobody yet
  std::string source;  // the address that the request came from
  std::map<std::string, std::string> headers{};  // of every answer
  std::string digest{};                          // where the outcome is kept: see Asked
  std::string settings{};                        // of the machine, as the asker saw them: see Asked
  net::HttpReply reply;

  Principal who() const { return {by, token}; }
  Asked asked(std::string reason) const { return {id, by, std::move(reason), token, digest, settings}; }

  void answer(int status, std::string json) const;
  void answer(int status, std::string body, std::string type, std::map<std::string, std::string> more) const;
  void refuse(Problem problem) const;
  void wait(Duration time, const std::string& message) const;  // 429: "message: wait 5 s"
  void refuse(ErrorCode code, std::string message, std::vector<FieldProblem> errors = {}) const;
  void refuse_all(std::vector<FieldProblem> errors) const;  // a request that is wrong in each of these
};

// First attest-down of a host; a second operator's with the same serial and boot_id within the time signs it.
struct Attestation {
  OperatorId by;
  std::string serial;
  BootId boot_id;
};

class Api {
 public:
  explicit Api(Services services, ApiOptions options = {});

  // For net::Server::start(); the Api must outlive the server.
  net::HttpHandler handler(Door door);
  void handle(net::HttpRequest request, net::HttpReply reply, Door door = Door::operators);

  // For handlers:
  SnapshotPointer snapshot() const { return services_.snapshot(); }
  const Services& services() const { return services_; }
  const Offer& offer() const { return options_.offer; }
  // Submits, and answers the call when the engine has: 200 with the operation, 202 after answer_time, or a
  // problem.
  void change(Call call, const std::string& what, EventBody event);
  // Answers the call with the operation: when it ends, or as it stands after `wait`.
  void show_operation(Call call, const RequestId& operation, Duration wait);
  // The operation with what it waits for, if it is known and the call's to see.
  std::optional<OperationView> operation_for(const Call& call, const RequestId& operation) const;
  // Runs `job` on the reading worker; refuses the call when too many wait.
  void read_later(const Call& call, std::function<void()> job);
  // The same for what takes long: on a worker of its own, and one of a tenant's at a time.
  void report_later(const Call& call, const std::function<void()>& job);
  // The same for those who follow events: they are many, and each answer is soon made.
  void answer_follower(const Call& call, std::function<void()> job);
  // Null when its user or tenant holds enough open already.
  std::shared_ptr<Waits::Place> place_to_follow(const Call& call) {
    return follows_.take(call.by, call.tenant);
  }
  // False, and the call is refused, when its user or tenant asks too often.
  bool may_go_on(const Call& call, int cost);
  // Submits, and calls `done` when the engine agreed; otherwise refuses the call.
  void submit(Call call, EventBody event, std::function<void(const Call&, const Answer&)> done);
  // Runs `job` where passwords are hashed; refuses the call when too many wait.
  void hash_later(const Call& call, std::function<void()> job);
  std::string new_uuid();
  Secret new_secret();
  template <class Make>
  auto with_random(Make make) {
    const std::lock_guard lock(mutex_);
    return make(random_);
  }
  SignInThrottle& throttle() { return throttle_; }
  const TokenUse& token_use() const { return token_use_; }
  Instant now() const { return clock_.now(); }
  WallTime wall() const { return clock_.wall(); }
  // Who attested the same before, if another; remembers this one.
  std::optional<OperatorId> first_signature(const HostId& host, const Attestation& attestation,
                                            Duration validity);

 private:
  RequestId request_id(const net::HttpRequest& request);
  // Who speaks, by the token that came along. False, and the call is refused, when they ask too often.
  bool recognize(Call& call);
  void note_rate(Call& call) const;
  // Lets the call through to its handler if whoever speaks may do what the route needs.
  void admit(const Route& route, Call call, Door door);
  void note(const Route& route, Call call, const Vm* vm, std::optional<Error> refused);
  // Admits a request that came with a key, or tells again what became of it.
  void admit_once(const Route& route, Call call, Door door);
  std::shared_ptr<Waits::Place> place_to_wait(const Call& call);
  // Answers the call when its operation has ended, or as it stands after a while; refuses it if it is none.
  void answer_when_ended(const std::shared_ptr<const Call>& call, const std::shared_ptr<Waits::Place>& place,
                         Operations::Begun begun);

  const Services services_;
  const ApiOptions options_;
  Operations operations_;
  std::mutex mutex_;  // of random_ and attestations_
  SystemRandom random_;
  const SystemClock clock_;
  struct Signed {
    Attestation attestation;
    Instant at;
  };
  std::map<HostId, Signed> attestations_;
  SignInThrottle throttle_;
  TokenUse token_use_;
  Waits waits_{4, 16};
  Waits follows_{8, 64};
  Waits reports_{1, 1};
  Worker readers_;  // last: their threads end first
  Worker reporters_;
  Worker keepers_;  // of what became of requests
  Worker followers_;
  Worker hashers_;
  Worker timers_;
};

// The listener for operators, or for portals; `options` say where, and by what certificates. `api` and
// `consoles` must outlive it. `pages`: for the staff's browsers; may be null.
Result<std::unique_ptr<net::Server>> serve(Api& api, Consoles& consoles, Door door,
                                           net::ServerOptions options,
                                           std::shared_ptr<const net::Pages> pages = nullptr);

}  // namespace bascule::api
