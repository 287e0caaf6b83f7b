#include "cluster/actuators.h"

#include "base/log.h"

namespace bascule {

namespace {

// Checks have no ActionId of the engine's.
ActionId check_of(const HostId& host) { return ActionId("check/" + host.value); }

PowerOffDone off_done(const FenceRequest& request, const Error& error) {
  PowerOffDone done;
  done.action = request.action;
  done.host = request.host;
  done.outcome = failure(error);
  return done;
}

}  // namespace

void Actuators::take(const Action& action) {
  if (const auto* command = std::get_if<SendCommand>(&action))
    parts_.sessions->send(*command);
  else if (const auto* off = std::get_if<PowerOff>(&action))
    start(Purpose::off, off->action, off->host);
  else if (const auto* on = std::get_if<PowerOn>(&action))
    start(Purpose::on, on->action, on->host);
  else if (const auto* check = std::get_if<CheckBmc>(&action))
    start(Purpose::check, check_of(check->host), check->host);
  else if (const auto* revoke = std::get_if<RevokeLease>(&action))
    tell(parts_.leases->revoke(*revoke, clock_.now()));
  else if (const auto* keep = std::get_if<KeepStorage>(&action))
    parts_.sessions->keep_storage(keep->hosts);
  else if (std::holds_alternative<Notify>(action))
    parts_.outbox->wake();
}

void Actuators::start(Purpose purpose, const ActionId& action, const HostId& host) {
  FenceRequest first{action, host, FenceVerb::identity, ""};
  const auto bound = bound_.find(host);
  if (purpose == Purpose::check || bound == bound_.end()) {
    const std::lock_guard lock(mutex_);
    first_reads_[action] = purpose;
  } else {
    first.verb = purpose == Purpose::off ? FenceVerb::off_verified : FenceVerb::on;
    first.expected = bound->second;
  }
  request(first);
}

void Actuators::request(const FenceRequest& request) {
  if (const Status taken = parts_.fences->request(request); !taken)
    fence_done({request, failure(taken.error())});
}

void Actuators::fence_done(const FenceOutcome& outcome) {
  const FenceRequest& request = outcome.request;
  const auto& result = outcome.result;
  switch (request.verb) {
    case FenceVerb::identity:
      return identity_read(request, result ? Result<std::string>(std::get<std::string>(*result))
                                           : Result<std::string>(failure(result.error())));
    case FenceVerb::status: {
      std::string guid;
      {
        const std::lock_guard lock(mutex_);
        guid.swap(guids_[request.host]);
      }
      if (!result) return finish_check(request.host, failure(result.error()), guid, false);
      return finish_check(request.host, {}, guid, std::get<PowerState>(*result) == PowerState::on);
    }
    case FenceVerb::off_verified: {
      if (!result) return tell(off_done(request, result.error()));
      const auto& proof = std::get<PowerOffProof>(*result);
      // Whole milliseconds, as an event is recorded; never a longer time than it was.
      const auto apart = std::chrono::floor<std::chrono::milliseconds>(proof.second_off - proof.first_off);
      return tell(PowerOffDone{request.action, request.host, {}, proof.identity, apart});
    }
    case FenceVerb::on:
      return tell(
          PowerOnDone{request.action, request.host, result ? Status() : Status(failure(result.error()))});
  }
}

void Actuators::identity_read(const FenceRequest& request, const Result<std::string>& guid) {
  Purpose purpose = Purpose::check;
  {
    const std::lock_guard lock(mutex_);
    const auto found = first_reads_.find(request.action);
    if (found == first_reads_.end()) return;
    purpose = found->second;
    first_reads_.erase(found);
    if (purpose == Purpose::check && guid) guids_[request.host] = *guid;
  }
  // A BMC without an identity can be switched all the same; it is just never evidence.
  const bool nameless = !guid && guid.error().code == ErrorCode::not_found;
  FenceRequest next{request.action, request.host, FenceVerb::status, guid ? *guid : ""};
  if (purpose == Purpose::off) next.verb = FenceVerb::off_verified;
  if (purpose == Purpose::on) next.verb = FenceVerb::on;
  if (guid || nameless) return this->request(next);
  if (purpose == Purpose::check) return finish_check(request.host, failure(guid.error()), "", false);
  fence_done({next, failure(guid.error())});
}

void Actuators::finish_check(const HostId& host, Status status, const std::string& guid, bool power_on) {
  tell(BmcChecked{host, std::move(status), guid, power_on});
}

void Actuators::follow(const Snapshot& snapshot) {
  for (const auto& [id, host] : snapshot.state.hosts) {
    if (host.record.bmc)
      bound_[id] = host.record.bmc->guid;
    else
      bound_.erase(id);
    const auto before = revoked_.find(id);
    if (before != revoked_.end() && host.record.revoked != before->second) {
      parts_.leases->allow({id, before->second});
      revoked_.erase(before);
    }
    if (host.record.revoked) revoked_[id] = *host.record.revoked;
  }
}

void Actuators::tell(EventBody body) {
  if (!post_(std::move(body)))
    log(LogLevel::warning, "actuators", "outcome_not_told",
        {{"why", "too many events wait, or the manager is stopping; the engine asks again at its deadline"}});
}

}  // namespace bascule
