// A world with the tenant acme and its owner anna, who is signed in.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "tests/scenarios/world.h"

namespace bascule::test {

inline const TenantId kTenant("acme");
inline const OperatorId kHer("acme/anna");

struct Tenancy : World {
  // Hosts such as "paris-1".
  explicit Tenancy(const std::vector<std::string>& hosts) {
    std::set<std::string> sites;
    for (const std::string& host : hosts) {
      const std::string site = host.substr(0, host.find('-'));
      if (sites.insert(site).second) add_site(site);
      add_host(host, site);
    }
    start();
    run(2s);
    send(CreateTenant{asked(), kTenant});
    TenantUser user;
    user.id = kHer;
    user.tenant = kTenant;
    user.roles = {TenantRole::owner};
    user.password = "$argon2id$";
    Token token;
    token.id = TokenId("t");
    token.user = kHer;
    token.expires = {INT64_MAX};
    state.directory.users[kHer] = user;
    state.directory.tokens[token.id] = token;
  }
  Asked by_anna(const std::string& reason = "") {
    Asked made = asked(kHer.value, reason);
    made.token = TokenId("t");
    return made;
  }
  // What the engine says to it; empty: done, or under way.
  std::string said(const Asked& request, EventBody event) {
    send(std::move(event));
    const auto answer = answers.find(request.request.value);
    return answer == answers.end() || !answer->second.error ? "" : answer->second.error->message;
  }
};

}  // namespace bascule::test
