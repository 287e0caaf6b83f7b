// tenant and access: whose the machines are, and a reason before anybody of the provider works on them.
#include <CLI/CLI.hpp>
#include <ostream>

#include "base/json.h"
#include "cli/commands.h"
#include "cli/document.h"

namespace bascule::cli {
namespace {

struct TenantRequest {
  std::string name;
  std::string reason;
};
template <class V>
void fields(V& v, TenantRequest& x) {
  v("name", x.name);
  v("reason", x.reason);
}

struct AccessRequest {
  std::string tenant;
  std::string category;
  std::string reason;
  std::uint32_t minutes = 60;
  std::string ticket;
};
template <class V>
void fields(V& v, AccessRequest& x) {
  v("tenant", x.tenant);
  v("category", x.category);
  v("reason", x.reason);
  v("minutes", x.minutes);
  v.optional("ticket", x.ticket);
}

void print_tenants(Session& session, const std::string& body) {
  Table table({"TENANT", "SINCE"});
  for (const Document& tenant : elements(parse(body), "items"))
    table.add({{text(tenant, "id"), Tone::strong}, {time_text(tenant, "created")}});
  if (table.empty())
    session.out << "no tenants; `bascule tenant create NAME` makes one\n";
  else
    table.print(session.out, session.terminal.colours);
}

void print_access(Session& session, const std::string& body) {
  Table table({"ACCESS", "WHO", "TENANT", "CATEGORY", "SINCE", "UNTIL", "TICKET", "REASON"});
  for (const Document& access : elements(parse(body), "items"))
    table.add({{text(access, "id"), Tone::strong},
               {text(access, "by")},
               {text(access, "tenant")},
               {text(access, "category")},
               {time_text(access, "began")},
               {time_text(access, "ends")},
               {text(access, "ticket")},
               {text(access, "reason")}});
  if (table.empty())
    session.out << "nobody of the provider is at work in a tenant's scope\n";
  else
    table.print(session.out, session.terminal.colours);
}

int list(Session& session, const std::string& path, void (*print)(Session&, const std::string&)) {
  return session.show(session.get(path),
                      [&session, print](const std::string& body) { print(session, body); });
}

// Makes the change, then shows the list that it belongs to.
int change_and_list(Session& session, const std::string& method, const std::string& path,
                    const std::string& body, const std::string& listed,
                    void (*print)(Session&, const std::string&)) {
  const auto changed = session.change(method, path, body);
  if (!changed) return session.report(changed.error());
  return list(session, listed, print);
}

void add_tenants(CLI::App& app, Session& session) {
  CLI::App& tenant = add_group(app, "tenant", "Whose the machines are");
  add_command(tenant, session, "list", "All tenants", "  bascule tenant list",
              [&session] { return list(session, "/v1/tenants", print_tenants); });
  const auto request = std::make_shared<TenantRequest>();
  CLI::App& create =
      add_command(tenant, session, "create", "Make a tenant",
                  "  bascule tenant create acme\n"
                  "  bascule vm create shop-1 --tenant acme --home paris …",
                  [&session, request] {
                    return change_and_list(session, "POST", "/v1/tenants", json::encode_text(*request),
                                           "/v1/tenants", print_tenants);
                  });
  create.add_option("name", request->name, "Letters, digits, '-', '_' and '.'")
      ->required()
      ->type_name("NAME");
  create.add_option("--reason", request->reason, "Goes into the audit")->type_name("TEXT");
  add_tenant_quota(tenant, session);
  add_tenant_invite(tenant, session);
}

void add_open(CLI::App& group, Session& session) {
  const auto request = std::make_shared<AccessRequest>();
  CLI::App& open = add_command(
      group, session, "open", "Say why, then work in a tenant's scope",
      "  bascule access open acme --category incident --reason \"web shop answers slowly since noon\"\n\n"
      "Until it ends, you see and may change what your roles allow of this tenant's machines. The tenant "
      "sees\n"
      "who you are and what you gave as the reason.",
      [&session, request] {
        return change_and_list(session, "POST", "/v1/access", json::encode_text(*request), "/v1/access",
                               print_access);
      });
  open.add_option("tenant", request->tenant, "Whose machines")->required()->type_name("TENANT");
  open.add_option("--category", request->category,
                  "incident, maintenance, asked_by_tenant, security or legal")
      ->required()
      ->check(CLI::IsMember({"incident", "maintenance", "asked_by_tenant", "security", "legal"}));
  open.add_option("--reason", request->reason, "At least three different words; the tenant reads it")
      ->required()
      ->type_name("TEXT");
  open.add_option("--minutes", request->minutes, "Until it ends by itself (60)")->check(CLI::Range(1, 480));
  open.add_option("--ticket", request->ticket,
                  "Of your own system, such as INC-4711; the tenant reads it too")
      ->type_name("TICKET");
}

}  // namespace

void add_people_commands(CLI::App& app, Session& session) {
  add_tenants(app, session);
  CLI::App& access = add_group(app, "access", "A reason before working on a tenant's machines");
  add_open(access, session);
  add_command(access, session, "list", "Who is at work for whom, and why", "  bascule access list",
              [&session] { return list(session, "/v1/access", print_access); });
  const auto id = std::make_shared<std::string>();
  CLI::App& end = add_command(access, session, "end", "End a session of yours before its time",
                              "  bascule access end a3f1c22a0", [&session, id] {
                                return change_and_list(session, "DELETE", "/v1/access/" + segment(*id),
                                                       reason_body(""), "/v1/access", print_access);
                              });
  end.add_option("access", *id, "As `bascule access list` shows it")->required()->type_name("ACCESS");
}

}  // namespace bascule::cli
