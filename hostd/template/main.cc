// bascule-template: makes, lists and removes the templates of this host's Ceph pools.
#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "hostd/config.h"
#include "hostd/templates.h"

namespace {

using namespace bascule;
using namespace bascule::hostd;

constexpr int kDone = 0;
constexpr int kFailed = 1;
constexpr int kWrongUsage = 2;

constexpr const char* kFooter =
    "Examples:\n"
    "  bascule-template import debian-12.qcow2 gold:debian-12\n"
    "  bascule-template list gold\n"
    "  bascule vm create --name web-1 --home paris --memory 4G --disk gold:web-1:20G:from=debian-12 --nic "
    "br0\n"
    "\n"
    "Exit codes: 0 done, 1 refused or failed, 2 wrong usage or configuration.\n"
    "More: man bascule-template.";

struct Arguments {
  std::string config = "/etc/bascule/hostd.toml";
  std::string file;
  std::string pool;
  std::string name;
};

int fail(const Error& error) {
  std::fprintf(stderr, "%s\n", error.message.c_str());
  return kFailed;
}

Result<PoolConfig> find_pool(const HostConfig& config, const std::string& name) {
  for (const PoolConfig& pool : config.pool) {
    if (pool.name != name) continue;
    if (pool.kind == "rbd") return pool;
    return failure(ErrorCode::invalid,
                   "pool " + name + " has kind " + pool.kind + ": only rbd has templates");
  }
  return failure(ErrorCode::not_found, "hostd.toml has no pool \"" + name + "\"");
}

int import(Ceph& ceph, const PoolConfig& pool, const Arguments& arguments) {
  std::unique_ptr<Ceph> other;
  if (pool.remote) other = std::make_unique<Ceph>(*pool.remote);
  if (other) other->look();
  const Status done = import_template(ceph, other.get(), arguments.name, arguments.file);
  if (!done) return fail(done.error());
  fmt::print("template {}:{} is ready at this site{}\n", pool.name, arguments.name,
             pool.remote ? "; the other site's storage copies it now" : "");
  return kDone;
}

int list(const Ceph& ceph) {
  const auto found = list_templates(ceph);
  if (!found) return fail(found.error());
  constexpr const char* kRoles[] = {"this site only", "mirrored from here", "mirrored from the other site"};
  fmt::print("{:<32} {:>10}  {:>6}  {}\n", "TEMPLATE", "MIB", "CLONES", "COPIES");
  for (const Template& each : *found)
    fmt::print("{:<32} {:>10}  {:>6}  {}\n", each.name, each.state.size_bytes >> 20, each.clones,
               kRoles[static_cast<std::size_t>(each.state.role)]);
  return kDone;
}

int remove(Ceph& ceph, const Arguments& arguments) {
  const Status done = remove_template(ceph, arguments.name);
  return done ? kDone : fail(done.error());
}

// "POOL:NAME"
CLI::Option* add_target(CLI::App& app, Arguments& arguments) {
  const auto take = [&arguments](const std::string& text) {
    const std::size_t colon = text.find(':');
    if (colon == std::string::npos) throw CLI::ValidationError("TEMPLATE", "must be POOL:NAME");
    arguments.pool = text.substr(0, colon);
    arguments.name = text.substr(colon + 1);
  };
  return app.add_option_function<std::string>("TEMPLATE", take, "POOL:NAME")->required();
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  CLI::App app("The templates of this host's Ceph pools: images that new volumes begin as clones of.",
               "bascule-template");
  app.add_option("--config", arguments.config, "hostd's configuration")
      ->capture_default_str()
      ->envname("BASCULE_CONFIG");
  app.set_version_flag("--version", "bascule-template " BASCULE_VERSION);
  app.footer(kFooter);
  app.require_subcommand(1);
  CLI::App& importing = *app.add_subcommand("import", "Make a template of a raw or qcow2 file");
  importing.add_option("FILE", arguments.file, "The image file")->required();
  add_target(importing, arguments);
  CLI::App& listing = *app.add_subcommand("list", "The templates of a pool");
  listing.add_option("POOL", arguments.pool, "A pool of hostd.toml")->required();
  CLI::App& removing = *app.add_subcommand("remove", "Remove one that nothing is cloned from");
  add_target(removing, arguments);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& told) {
    return app.exit(told) == 0 ? kDone : kWrongUsage;
  }

  const Result<HostConfig> config = load_host_config(arguments.config);
  const auto pool = config ? find_pool(*config, arguments.pool) : failure(config.error());
  if (!pool) return fail(pool.error()), kWrongUsage;
  Ceph ceph(*pool->local);
  ceph.look();
  if (const Status ready = ceph.ready(); !ready) return fail(ready.error());
  if (importing.parsed()) return import(ceph, *pool, arguments);
  return listing.parsed() ? list(ceph) : remove(ceph, arguments);
}
