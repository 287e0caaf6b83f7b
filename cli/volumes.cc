// bascule vm snapshot …, bascule vm grow: what is done to a VM's volumes.
#include <CLI/CLI.hpp>
#include <ostream>

#include "base/json.h"
#include "base/wire_volumes.h"
#include "cli/commands.h"
#include "cli/document.h"
#include "cli/grant.h"
#include "cli/vm_spec.h"

namespace bascule::cli {
namespace {

struct VolumeOptions {
  std::string vm, snapshot, volume, size, reason;
  std::string grant;  // a file
};

struct SnapshotBody {
  std::string name;
  std::string reason;
};
template <class V>
void fields(V& v, SnapshotBody& x) {
  v("name", x.name);
  v("reason", x.reason);
}

struct RollBackBody {
  std::string reason;
  std::optional<Grant> grant;
};
template <class V>
void fields(V& v, RollBackBody& x) {
  v("reason", x.reason);
  v.optional("grant", x.grant);
}

struct GrowBody {
  wire::Grow grow;
  std::string reason;
};
template <class V>
void fields(V& v, GrowBody& x) {
  fields(v, x.grow);
  v("reason", x.reason);
}

std::string volume_path(const VolumeOptions& options, const std::string& rest) {
  return "/v1/vms/" + segment(options.vm) + "/" + rest;
}

int change(Session& session, const std::string& method, const std::string& path, const std::string& body,
           const std::string& done) {
  return session.show(session.change(method, path, body),
                      [&](const std::string&) { session.out << harmless(done) << '\n'; });
}

int take(Session& session, const VolumeOptions& o) {
  return change(session, "POST", volume_path(o, "snapshots"),
                json::encode_text(SnapshotBody{o.snapshot, o.reason}),
                "snapshot " + o.snapshot + " of " + o.vm + " is taken");
}

int remove(Session& session, const VolumeOptions& o) {
  return change(session, "DELETE", volume_path(o, "snapshots/" + segment(o.snapshot)), reason_body(o.reason),
                "snapshot " + o.snapshot + " of " + o.vm + " is removed");
}

int roll_back(Session& session, const VolumeOptions& o) {
  const bool granted = !o.grant.empty();
  const auto grant =
      granted ? grant_in(o.grant) : own_grant(session, o.vm, Inside::roll_back, o.reason, o.snapshot);
  if (!grant) return session.report(grant.error());
  const std::string path = volume_path(o, "snapshots/" + segment(o.snapshot) + "/rollback");
  return change(session, "POST", granted ? path + "/granted" : path,
                json::encode_text(RollBackBody{o.reason, *grant}),
                "the volumes of " + o.vm + " are as snapshot " + o.snapshot + " was");
}

int grow(Session& session, const VolumeOptions& o) {
  const std::size_t colon = o.volume.find(':');
  const auto size = parse_mib(o.size);
  if (!size || colon == std::string::npos)
    return session.report({kUsage, size ? "\"" + o.volume + "\": must be POOL:VOLUME" : size.error().message,
                           "bascule vm grow --help has examples."});
  const GrowBody body{{o.volume.substr(0, colon), o.volume.substr(colon + 1), *size}, o.reason};
  return change(session, "POST", volume_path(o, "grow"), json::encode_text(body),
                o.volume + " has " + o.size);
}

void print_snapshots(Session& session, const std::string& body) {
  Table table({"VOLUME", "SNAPSHOT", "TAKEN"});
  for (const Document& volume : elements(parse(body), "volumes"))
    for (const Document& snapshot : elements(volume, "snapshots"))
      table.add({{text(volume, "pool") + ":" + text(volume, "volume")},
                 {text(snapshot, "name"), Tone::strong},
                 {time_text(snapshot, "taken")}});
  for (const Document& volume : elements(parse(body), "volumes"))
    for (const Document& kept : elements(volume, "kept"))
      table.add({{text(volume, "pool") + ":" + text(volume, "volume")},
                 {"kept aside: " + text(kept, "name")},
                 {time_text(kept, "taken")}});
  if (elements(parse(body), "volumes").empty())
    session.out << "not known now: its host tells while the VM runs, and after each change\n";
  else if (table.empty())
    session.out << "no snapshots; `bascule vm snapshot take --help` says how to take one\n";
  else
    table.print(session.out, session.terminal.colours);
}

using Act = int (*)(Session&, const VolumeOptions&);

CLI::App& add(CLI::App& group, Session& session, const std::string& name, const std::string& what,
              const std::string& example, bool reason_needed, Act act,
              const std::shared_ptr<VolumeOptions>& options) {
  CLI::App& command = add_command(group, session, name, what, example,
                                  [&session, options, act] { return act(session, *options); });
  command.add_option("vm", options->vm, "Name or id of the VM")->required()->type_name("VM");
  auto* reason =
      command.add_option("--reason", options->reason, "Why; goes into the audit")->type_name("TEXT");
  if (reason_needed) reason->required();
  return command;
}

}  // namespace

void add_volume_commands(CLI::App& vm, Session& session) {
  CLI::App& snapshots = add_group(vm, "snapshot", "Snapshots of all volumes of a VM");
  const auto add_named = [&](const char* name, const char* what, const char* example, bool reason_needed,
                             Act act) {
    const auto options = std::make_shared<VolumeOptions>();
    CLI::App& command = add(snapshots, session, name, what, example, reason_needed, act, options);
    command.add_option("snapshot", options->snapshot, "Name of the snapshot")
        ->required()
        ->type_name("SNAPSHOT");
    if (act == roll_back)
      command.add_option("--grant", options->grant, "Of its tenant, for one of the provider's staff")
          ->type_name("FILE");
  };
  add_named("take", "Take a snapshot; the guest runs on", "  bascule vm snapshot take web-1 before-upgrade",
            false, take);
  add_named("remove", "Remove a snapshot",
            "  bascule vm snapshot remove web-1 before-upgrade --reason \"the upgrade is accepted\"", true,
            remove);
  add_named("rollback", "Take the volumes of a stopped VM back to a snapshot; what was written since is gone",
            "  bascule vm snapshot take web-1 before-rollback\n"
            "  bascule vm snapshot rollback web-1 before-upgrade --reason \"the upgrade failed\"",
            true, roll_back);
  const auto listed = std::make_shared<VolumeOptions>();
  add_command(snapshots, session, "list", "Snapshots of a VM's volumes", "  bascule vm snapshot list web-1",
              [&session, listed] {
                return session.show(session.get("/v1/vms/" + segment(listed->vm)),
                                    [&session](const std::string& body) { print_snapshots(session, body); });
              })
      .add_option("vm", listed->vm, "Name or id of the VM")
      ->required()
      ->type_name("VM");
  const auto options = std::make_shared<VolumeOptions>();
  CLI::App& command = add(vm, session, "grow", "Make a volume larger; a guest that runs sees it at once",
                          "  bascule vm grow web-1 gold:web-1 40G", false, grow, options);
  command.add_option("volume", options->volume, "One of its volumes")->required()->type_name("POOL:VOLUME");
  command.add_option("size", options->size, "Its new size: MiB, or with a unit")
      ->required()
      ->type_name("SIZE");
}

}  // namespace bascule::cli
