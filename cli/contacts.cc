// contacts: who of a tenant is told by mail what it must know.
#include <CLI/CLI.hpp>
#include <ostream>

#include "base/json.h"
#include "cli/commands.h"
#include "cli/document.h"

namespace bascule::cli {
namespace {

void print_contacts(Session& session, const std::string& body) {
  const auto contacts = elements(parse(body), "contacts");
  for (const Document& address : contacts) session.out << harmless(address.get<std::string>()) << '\n';
  if (contacts.empty()) session.out << "nobody; `bascule contacts set ADDRESS…`\n";
}

}  // namespace

void add_contact_commands(CLI::App& app, Session& session) {
  CLI::App& contacts =
      add_group(app, "contacts", "Who is told by mail what your tenant must know, such as broken glass");
  add_command(contacts, session, "list", "Their addresses", "  bascule contacts list", [&session] {
    return session.show(session.get("/v1/contacts"),
                        [&session](const std::string& body) { print_contacts(session, body); });
  });
  const auto addresses = std::make_shared<std::vector<std::string>>();
  add_command(contacts, session, "set", "All of them, eight at most; without any, nobody is",
              "  bascule contacts set ops@acme.example anna@acme.example",
              [&session, addresses] {
                const json::Value body{{"contacts", *addresses}};
                return session.show(
                    session.change("PUT", "/v1/contacts", json::text_of(body)),
                    [&](const std::string&) { session.out << addresses->size() << " addresses are told\n"; });
              })
      .add_option("address", *addresses, "Mail addresses")
      ->type_name("ADDRESS");
}

}  // namespace bascule::cli
