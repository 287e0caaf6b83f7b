#include <CLI/CLI.hpp>
#include <ostream>

#include "base/json.h"
#include "cli/commands.h"
#include "cli/document.h"
#include "cli/vm_spec.h"
#include "cli/vm_wish.h"

namespace bascule::cli {
namespace {

struct VmOptions {
  std::string vm;
  std::string reason;
};

struct CreateOptions {
  VmWish wish;  // beside what both ways have
  std::string file;
  std::string name, home, tenant, memory;
  std::uint32_t vcpus = 0;
  std::vector<std::string> disks, nics;
  std::string kernel, initrd, command_line;
  int priority = -1;
  bool unprotected = false;
  bool stopped = false;
  std::string reason;
};

struct CreateBody {
  VmSpec spec;
  bool start = true;
  std::string reason;
};
template <class V>
void fields(V& v, CreateBody& x) {
  fields(v, x.spec);
  v("start", x.start);
  v("reason", x.reason);
}

std::string vm_path(const std::string& vm, const std::string& verb = "") {
  return "/v1/vms/" + segment(vm) + (verb.empty() ? "" : "/" + verb);
}

std::string or_dash(const std::string& text) { return text.empty() ? "-" : text; }

void print_list(Session& session, const std::string& body) {
  Table table({"VM", "STATE", "HOST", "SITE", "HOME", "AWAY", "SWITCHABLE NOW"});
  for (const Document& vm : elements(parse(body), "items")) {
    const bool switchable = flag(vm, "switchable_now.value");
    table.add({{text(vm, "name"), Tone::strong},
               {text(vm, "state"), tone_of(text(vm, "state"))},
               {or_dash(text(vm, "host"))},
               {or_dash(text(vm, "site"))},
               {text(vm, "home")},
               {flag(vm, "away") ? "away" : "-", flag(vm, "away") ? Tone::warning : Tone::plain},
               {switchable ? "yes" : "no, because " + text(vm, "switchable_now.because"),
                switchable ? Tone::good : Tone::warning}});
  }
  if (table.empty())
    session.out << "no VMs; `bascule vm create --help` says how to make one\n";
  else
    table.print(session.out, session.terminal.colours);
}

void print_disks_and_nics(Session& session, const Document& vm) {
  for (const Document& disk : elements(vm, "disks"))
    session.out << session.paint("disk           ", Tone::dim) << harmless(text(disk, "pool")) << ':'
                << harmless(text(disk, "volume")) << ", " << text(disk, "size_mib") << " MiB "
                << text(disk, "format") << '\n';
  for (const Document& nic : elements(vm, "nics"))
    session.out << session.paint("nic            ", Tone::dim) << harmless(text(nic, "bridge")) << ", "
                << harmless(text(nic, "mac")) << ' ' << harmless(joined(nic, "addresses", " ")) << '\n';
}

// Of a number of bytes, rounded up.
std::string kib_text(const std::string& bytes) {
  return std::to_string((std::strtoull(bytes.c_str(), nullptr, 10) + 1023) / 1024) + " KiB";
}

// How much of it the other site doesn't have yet.
std::string behind_words(const Document& volume) {
  const std::string time = text(volume, "behind_ms");
  const std::string bytes = text(volume, "behind_bytes");
  if (time.empty()) return "";
  return ", " + time + " ms" + (bytes.empty() ? "" : " and at most " + kib_text(bytes)) + " behind";
}

// "3 here, on 9 OSDs; 3 there, on 9 OSDs, down: osd.0 osd.2"
std::string copies_words(const Document& volume) {
  std::string words;
  for (const std::string place : {"here", "there"}) {
    const std::string path = "copies_" + place;
    const std::string copies = text(volume, path + ".copies");
    if (copies.empty()) continue;
    const std::string down = joined(volume, path + ".osds_down", " ");
    words += (words.empty() ? "" : "; ") + copies + ' ' + place + ", on " + text(volume, path + ".osds") +
             " OSDs" + (down.empty() ? "" : ", down: " + down);
  }
  return words;
}

void print_vm(Session& session, const std::string& body) {
  const Document vm = parse(body);
  const auto line = [&session](const char* name, const std::string& value, Tone tone = Tone::plain) {
    if (!value.empty()) session.out << session.paint(name, Tone::dim) << session.paint(value, tone) << '\n';
  };
  line("VM             ", text(vm, "name") + " (" + text(vm, "id") + ")");
  line("state          ", text(vm, "state"), tone_of(text(vm, "state")));
  line("host           ", text(vm, "host").empty() ? "none" : text(vm, "host") + " at " + text(vm, "site"));
  line("home           ", text(vm, "home"));
  if (flag(vm, "away"))
    line("away           ", "until an approved plan: bascule failback plan", Tone::warning);
  line("reason         ", text(vm, "reason"));
  line("explanation    ", text(vm, "explanation"));
  const bool switchable = flag(vm, "switchable_now.value");
  line("switchable now ", (switchable ? "yes: " : "no, because ") + text(vm, "switchable_now.because"),
       switchable ? Tone::good : Tone::warning);
  line("generation     ", text(vm, "generation"));
  std::string copies;
  for (const Document& copy : elements(vm, "may_run"))
    copies += (copies.empty() ? "" : ", ") + text(copy, "host") + " (boot " + text(copy, "boot_id") + ")";
  line("may run on     ", copies);
  line("memory         ", text(vm, "memory_mib") + " MiB");
  line("vcpus          ", text(vm, "vcpus"));
  print_disks_and_nics(session, vm);
  for (const Document& volume : elements(vm, "volumes")) {
    const std::string name = text(volume, "pool") + ":" + text(volume, "volume");
    if (!text(volume, "there").empty())
      line(
          "copy           ",
          name + " " + text(volume, "here") + " here; there: " + text(volume, "there") + behind_words(volume),
          flag(volume, "well") ? Tone::good : Tone::warning);
    line("copies         ", copies_words(volume));
    const std::size_t snapshots = elements(volume, "snapshots").size();
    if (!text(volume, "used_mib").empty())
      line("used           ", name + " " + text(volume, "used_mib") + " MiB" +
                                  (snapshots == 0 ? "" : ", " + std::to_string(snapshots) + " snapshots"));
  }
  if (!text(vm, "lost_ms").empty())
    line("lost           ",
         "by the last switch, what was written after " + time_text(vm, "complete_until") + " (" +
             text(vm, "lost_ms") + " ms)",
         Tone::bad);
  line("kernel         ", text(vm, "kernel.kernel"));
  line("tenant         ", text(vm, "tenant") + (flag(vm, "delivered") ? ", delivered" : ""));
  line("protected      ", flag(vm, "protected") ? "yes" : "no");
  line("priority       ", text(vm, "priority"));
  line("incident       ", text(vm, "incident"));
}

// POOL:FILE of --kernel; the initrd must come from the same pool.
Status set_kernel(VmSpec& spec, const CreateOptions& options) {
  if (options.kernel.empty()) return {};
  const std::size_t colon = options.kernel.find(':');
  if (colon == std::string::npos)
    return failure(ErrorCode::invalid, "--kernel \"" + options.kernel + "\": must be POOL:FILE");
  KernelBoot boot{options.kernel.substr(0, colon), options.kernel.substr(colon + 1), options.initrd,
                  options.command_line};
  if (boot.initrd.starts_with(boot.pool + ":")) boot.initrd.erase(0, boot.pool.size() + 1);
  spec.kernel = boot;
  return {};
}

Result<VmSpec> spec_of(const CreateOptions& options) {
  VmSpec spec;
  if (!options.file.empty()) {
    auto read = read_spec_file(options.file);
    if (!read) return read;
    spec = std::move(*read);
  }
  if (!options.name.empty()) spec.name = options.name;
  if (!options.home.empty()) spec.home = SiteId(options.home);
  if (!options.tenant.empty()) spec.tenant = TenantId(options.tenant);
  if (options.vcpus > 0) spec.vcpus = options.vcpus;
  if (options.priority >= 0) spec.priority = options.priority;
  if (options.unprotected) spec.protected_ = false;
  if (!options.memory.empty()) {
    const auto memory = parse_mib(options.memory);
    if (!memory) return failure(memory.error().within("--memory"));
    if (*memory > UINT32_MAX) return failure(ErrorCode::invalid, "--memory: too much");
    spec.memory_mib = static_cast<std::uint32_t>(*memory);
  }
  for (const std::string& text : options.disks) {
    auto disk = parse_disk(text);
    if (!disk) return failure(disk.error());
    spec.disks.push_back(*disk);
  }
  for (const std::string& text : options.nics) {
    auto nic = parse_nic(text);
    if (!nic) return failure(nic.error());
    spec.nics.push_back(*nic);
  }
  const Status kernel = set_kernel(spec, options);
  if (!kernel) return failure(kernel.error());
  return spec;
}

int show_created(Session& session, const Outcome<std::string>& created) {
  if (!created) return session.report(created.error());
  auto shown = session.get(vm_path(text(parse(*created), "subject")));
  if (!shown) shown = created;
  return session.show(shown, [&](const std::string& vm) { print_vm(session, vm); });
}

// As a tenant's user asks for one: what it is to be, not how it is made.
int create_as_wished(Session& session, const CreateOptions& options) {
  if (!options.file.empty() || !options.disks.empty() || !options.nics.empty() || !options.kernel.empty())
    return session.report({kUsage, "--image and --size don't go with --file, --disk, --nic and --kernel",
                           "The first two are for tenants' users, the others for the provider's staff."});
  VmWish wish = options.wish;
  wish.name = options.name;
  wish.home = options.home;
  wish.memory = options.memory;
  wish.vcpus = options.vcpus;
  wish.unprotected = options.unprotected;
  wish.stopped = options.stopped;
  wish.reason = options.reason;
  const auto body = wish_body(wish);
  if (!body) return session.report({kUsage, body.error().message, "bascule vm create --help has examples."});
  return show_created(session, session.change("POST", "/v1/vms", *body));
}

int create(Session& session, const CreateOptions& options) {
  if (!options.wish.image.empty() || !options.wish.iso.empty() || !options.wish.size.empty())
    return create_as_wished(session, options);
  const auto spec = spec_of(options);
  if (!spec) return session.report({kUsage, spec.error().message, "bascule vm create --help has examples."});
  VmSpec whole = *spec;  // as the manager will name it
  if (!whole.tenant.empty()) whole.name = whole.tenant.value + "/" + whole.name;
  const auto problems = problems_of(whole);
  if (!problems.empty()) {
    std::string all;
    for (const std::string& problem : problems) all += (all.empty() ? "" : "\n") + ("  " + problem);
    return session.report({kUsage, "the specification is not sound, nothing was sent:", all});
  }
  const CreateBody body{*spec, !options.stopped, options.reason};
  return show_created(session, session.change("POST", "/v1/vms", json::encode_text(body)));
}

int change_vm(Session& session, const VmOptions& options, const std::string& method, const std::string& verb,
              const std::string& done) {
  const auto ended = session.change(method, vm_path(options.vm, verb), reason_body(options.reason));
  return session.show(
      ended, [&](const std::string&) { session.out << harmless(options.vm) << ' ' << done << '\n'; });
}

void add_change(CLI::App& vm, Session& session, const std::string& name, const std::string& what,
                const std::string& done, bool reason_needed) {
  const auto options = std::make_shared<VmOptions>();
  const bool remove = name == "delete";
  CLI::App& command =
      add_command(vm, session, name, what,
                  "  bascule vm " + name + " web-1" + (reason_needed ? " --reason \"hangs since noon\"" : ""),
                  [&session, options, remove, name, done] {
                    return change_vm(session, *options, remove ? "DELETE" : "POST", remove ? "" : name, done);
                  });
  command.add_option("vm", options->vm, "Name or id of the VM")->required()->type_name("VM");
  auto* reason =
      command.add_option("--reason", options->reason, "Why; goes into the audit")->type_name("TEXT");
  if (reason_needed) reason->required();
}

struct RebootOptions {
  std::string vm, reason;
  bool hard = false;
};

int reboot(Session& session, const RebootOptions& options) {
  const json::Value body{{"hard", options.hard}, {"reason", options.reason}};
  const auto done = session.change("POST", "/v1/vms/" + segment(options.vm) + "/reboot", json::text_of(body));
  return session.show(done,
                      [&](const std::string&) { session.out << harmless(options.vm) << " runs again\n"; });
}

void add_reboot_command(CLI::App& vm, Session& session) {
  const auto options = std::make_shared<RebootOptions>();
  CLI::App& command =
      add_command(vm, session, "reboot", "Shut the guest down, and start it again",
                  "  bascule vm reboot web-1\n  bascule vm reboot web-1 --hard --reason \"hangs since noon\"",
                  [&session, options] { return reboot(session, *options); });
  command.add_option("vm", options->vm, "Name or id of the VM")->required()->type_name("VM");
  auto* reason =
      command.add_option("--reason", options->reason, "Why; goes into the audit")->type_name("TEXT");
  command.add_flag("--hard", options->hard, "Cut its power, without asking its guest")->needs(reason);
}

struct ChangeOptions {
  std::string vm, name, memory, keep, reason;
  std::optional<std::string> iso;
  bool eject = false;
  std::uint32_t vcpus = 0;
};

int change(Session& session, const ChangeOptions& options) {
  json::Value body{{"reason", options.reason}};
  if (!options.name.empty()) body["name"] = options.name;
  if (options.vcpus > 0) body["vcpus"] = options.vcpus;
  if (!options.keep.empty()) body["keep"] = options.keep == "yes";
  if (options.iso || options.eject) body["iso"] = options.iso.value_or("");
  if (!options.memory.empty()) {
    const auto memory = parse_mib(options.memory);
    if (!memory) return session.report({kUsage, memory.error().within("--memory").message, ""});
    body["memory_mib"] = *memory;
  }
  return show_created(session, session.change("PUT", vm_path(options.vm), json::text_of(body)));
}

void add_change_command(CLI::App& vm, Session& session) {
  const auto options = std::make_shared<ChangeOptions>();
  CLI::App& command =
      add_command(vm, session, "change", "Another size or name, of a stopped VM; or keep it from deletion",
                  "  bascule vm change shop-1 --memory 4G --vcpus 4\n"
                  "  bascule vm change shop-1 --keep yes\n"
                  "  bascule vm change shop-1 --eject",
                  [&session, options] { return change(session, *options); });
  command.add_option("vm", options->vm, "Name or id of the VM")->required()->type_name("VM");
  command.add_option("--name", options->name, "Its new name");
  command.add_option("--memory", options->memory, "MiB, or with a unit")->type_name("SIZE");
  command.add_option("--vcpus", options->vcpus, "Virtual CPUs");
  command.add_option("--keep", options->keep, "yes: it can't be deleted before this is taken back")
      ->check(CLI::IsMember({"yes", "no"}));
  auto* iso = command.add_option("--iso", options->iso, "A CD of your own images for its drive");
  command.add_flag("--eject", options->eject, "Nothing is in its drive any more")->excludes(iso);
  command.add_option("--reason", options->reason, "Why; goes into the audit")->type_name("TEXT");
}

void add_create(CLI::App& vm, Session& session) {
  const auto o = std::make_shared<CreateOptions>();
  CLI::App& c =
      add_command(vm, session, "create", "Make a VM and start it",
                  "  bascule vm create --name web-1 --home paris --memory 4G --vcpus 2 --disk "
                  "metro:web-1.qcow2:20G:qcow2 \\\n"
                  "      --nic br0\n"
                  "  bascule vm create --name probe --home paris --memory 96 --kernel metro:vmlinuz --initrd "
                  "initrd.img \\\n"
                  "      --command-line \"console=ttyS0 quiet\"\n"
                  "  bascule vm create --file web-1.json\n"
                  "  bascule vm create --name shop-1 --image debian-12 --size 20G --memory 2G \\\n"
                  "      --ssh-key ~/.ssh/id_ed25519.pub            (a tenant's user)\n"
                  "\nFlags override and add to what the file says. Volumes that don't exist are made.",
                  [&session, o] { return create(session, *o); });
  c.add_option("--file", o->file, "Specification as JSON")->type_name("SPEC.JSON");
  c.add_option("--name", o->name, "Unique in the cluster");
  c.add_option("--home", o->home, "Site where it belongs")->type_name("SITE");
  c.add_option("--memory", o->memory, "MiB, or with a unit: 512M, 4G")->type_name("SIZE");
  c.add_option("--vcpus", o->vcpus, "Virtual CPUs (1)");
  c.add_option("--disk", o->disks, "Repeatable; options: qcow2, from=TEMPLATE, iops=N, mib_per_second=N")
      ->type_name("POOL:VOLUME:SIZE[:OPTION]...")
      ->expected(1)
      ->take_all();
  c.add_option("--nic", o->nics, "Repeatable; a MAC is made when none is given")
      ->type_name("BRIDGE[:MAC]")
      ->expected(1)
      ->take_all();
  c.add_option("--kernel", o->kernel, "Boot this kernel directly")->type_name("POOL:FILE");
  c.add_option("--initrd", o->initrd, "With --kernel, from the same pool")->type_name("FILE");
  c.add_option("--command-line", o->command_line, "With --kernel")->type_name("TEXT");
  c.add_option("--image", o->wish.image, "As `bascule image list` shows it; for tenants' users");
  c.add_option("--iso", o->wish.iso, "A CD of your own images, to install it from; for tenants' users");
  c.add_option("--size", o->wish.size, "Of its volume, with an image or empty; for tenants' users")
      ->type_name("SIZE");
  c.add_option("--ssh-key", o->wish.ssh_keys, "Repeatable: public keys that may sign in, with --image")
      ->type_name("FILE")
      ->expected(1)
      ->take_all();
  c.add_option("--user-data", o->wish.user_data, "For cloud-init, with --image")->type_name("FILE");
  c.add_flag("--no-screen", o->wish.no_screen, "Only a serial line, with --image");
  c.add_option("--priority", o->priority, "Order of recovery, lower first (100)")->check(CLI::Range(0, 1000));
  c.add_option("--tenant", o->tenant, "Whose it is");
  c.add_flag("--unprotected", o->unprotected, "Don't switch it to the other site on a fault");
  c.add_flag("--stopped", o->stopped, "Don't start it");
  c.add_option("--reason", o->reason, "Why; goes into the audit")->type_name("TEXT");
}

}  // namespace

void add_vm_commands(CLI::App& app, Session& session) {
  CLI::App& vm = add_group(app, "vm", "Virtual machines");
  add_create(vm, session);
  add_command(vm, session, "list", "All VMs: where they run, and whether they could be switched now",
              "  bascule vm list\n  bascule vm list --json", [&session] {
                return session.show(session.get_all("/v1/vms"),
                                    [&session](const std::string& body) { print_list(session, body); });
              });
  const auto options = std::make_shared<VmOptions>();
  add_command(vm, session, "show", "One VM", "  bascule vm show web-1",
              [&session, options] {
                return session.show(session.get(vm_path(options->vm)),
                                    [&session](const std::string& body) { print_vm(session, body); });
              })
      .add_option("vm", options->vm, "Name or id of the VM")
      ->required()
      ->type_name("VM");
  add_change(vm, session, "accept", "Accept a VM's delivery: from then on you alone get inside", "is yours",
             false);
  add_change(vm, session, "start", "Start a VM", "is started", false);
  add_change(vm, session, "stop", "Ask the guest to shut down, and wait for it", "is stopped", false);
  add_reboot_command(vm, session);
  add_change(vm, session, "kill", "Stop a VM at once, without asking its guest", "is stopped", true);
  add_change(vm, session, "delete", "Delete a stopped VM", "is deleted", false);
  add_change_command(vm, session);
  add_console_command(vm, session);
  add_vm_metrics(vm, session);
  add_grant_command(vm, session);
  add_break_glass_command(vm, session);
  add_return_commands(vm, session);
  add_volume_commands(vm, session);
}

}  // namespace bascule::cli
