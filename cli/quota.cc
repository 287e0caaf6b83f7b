// quota, and `tenant quota`: how much tenants' machines may have.
#include <CLI/CLI.hpp>
#include <ostream>

#include "base/json.h"
#include "cli/commands.h"
#include "cli/document.h"
#include "cli/vm_spec.h"

namespace bascule::cli {
namespace {

struct QuotaOptions {
  std::string tenant;
  std::uint64_t vms = 0;
  std::uint64_t vcpus = 0;
  std::string memory, storage;
  std::string reason;
};

int set_quota(Session& session, const QuotaOptions& options) {
  const auto memory = parse_mib(options.memory);
  const auto storage = parse_mib(options.storage);
  if (!memory || !storage)
    return session.report({kUsage, (memory ? storage : memory).error().message, "Sizes are such as 16G."});
  const json::Value body{{"vms", options.vms},
                         {"vcpus", options.vcpus},
                         {"memory_mib", *memory},
                         {"storage_mib", *storage},
                         {"reason", options.reason}};
  const auto done =
      session.change("PUT", "/v1/tenants/" + segment(options.tenant) + "/quota", json::text_of(body));
  return session.show(
      done, [&](const std::string&) { session.out << harmless(options.tenant) << " may have that much\n"; });
}

void print_quota(Session& session, const std::string& body) {
  const Document quota = parse(body);
  Table table({"OF", "USED", "AT MOST"});
  const std::pair<const char*, const char*> rows[] = {{"machines", "vms"},
                                                      {"processors", "vcpus"},
                                                      {"memory, MiB", "memory_mib"},
                                                      {"storage, MiB", "storage_mib"}};
  for (const auto& [words, name] : rows) {
    const std::string most = text(quota, std::string("limits.") + name);
    table.add(
        {{words, Tone::strong}, {text(quota, std::string("used.") + name)}, {most.empty() ? "-" : most}});
  }
  table.print(session.out, session.terminal.colours);
  for (const Document& warning : elements(quota, "warnings"))
    session.out << session.paint(harmless(warning.get<std::string>()), Tone::warning) << '\n';
}

}  // namespace

void add_tenant_quota(CLI::App& tenant, Session& session) {
  const auto options = std::make_shared<QuotaOptions>();
  CLI::App& command =
      add_command(tenant, session, "quota", "How much a tenant's machines may have together",
                  "  bascule tenant quota acme --vms 10 --vcpus 16 --memory 32G --storage 500G\n\n"
                  "Without a quota a tenant's users make no machines themselves.",
                  [&session, options] { return set_quota(session, *options); });
  command.add_option("tenant", options->tenant, "Whose")->required()->type_name("TENANT");
  command.add_option("--vms", options->vms, "Machines")->required();
  command.add_option("--vcpus", options->vcpus, "Their processors")->required();
  command.add_option("--memory", options->memory, "Their memory")->required()->type_name("SIZE");
  command.add_option("--storage", options->storage, "Their volumes")->required()->type_name("SIZE");
  command.add_option("--reason", options->reason, "Goes into the audit")->type_name("TEXT");
}

void add_quota_command(CLI::App& app, Session& session) {
  add_command(app, session, "quota", "What your machines have together, and may have", "  bascule quota",
              [&session] {
                return session.show(session.get("/v1/quota"),
                                    [&session](const std::string& body) { print_quota(session, body); });
              });
}

}  // namespace bascule::cli
