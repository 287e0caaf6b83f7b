// A made-up provider's machines, people and what happened, in the shapes of the API's description.
import { hosts_of, incidents_of, kSites, plans_of, status_of } from "./made_up_staff.js";

const kNames = ["shop", "mail", "files", "wiki", "records", "imaging", "backup", "directory"];
const kHour_ms = 3_600_000;
const pad = (n, to = 2) => String(n).padStart(to, "0");

function machine(i, { tenant, each, lost, now }) {
  const home = kSites[i % 2];
  const at_home = `${home}-${1 + (Math.floor(i / 2) % each)}`;
  const away = at_home === lost;
  const host = away ? `lyon-${1 + (i % each)}` : at_home;
  const site = host.split("-")[0];
  const runs = i % 9 !== 8 || away;
  const name = `${kNames[i % kNames.length]}-${pad(1 + Math.floor(i / kNames.length))}`;
  const volume = `${name}-disk`;
  return {
    id: `vm-${pad(i, 5)}`, name: tenant ? name : i % 3 ? `acme/${name}` : `vm-${pad(i, 5)}`, tenant: "acme", home,
    state: runs ? "running" : "stopped", host: runs ? host : null, site: runs ? site : null,
    reason: away ? "started_elsewhere" : "placed", away, protected: true, wanted_running: runs, delivered: i % 4 === 1, keep: false,
    explanation: away ? `${at_home} was lost and fenced, its power is off; started at ${host}, where its copy was 0.4 s behind` : `runs at home on ${host}, where it was placed`,
    generation: away ? 2 : 1, memory_mib: 2048 << (i % 3), vcpus: 1 << (i % 3), priority: 0,
    switchable_now: i % 11 === 10 ? { value: false, because: "its copy at the other site is 40 s behind, and 30 s is the most" } : { value: true, because: "there is room, and its copy is in step" },
    volumes: [{ pool: "fast", volume, here: site, there: kSites.find((one) => one !== site), well: true, lost: false, behind_ms: 400, kept: [],
      snapshots: i % 5 ? [] : [{ name: "before-upgrade", taken: now - 30 * kHour_ms }, { name: "weekly", taken: now - 6 * kHour_ms }] }],
    disks: [{ pool: "fast", volume, size_mib: 40960, format: "raw", from: "debian-12", iops_limit: 0, mib_per_second_limit: 0 }],
    nics: [{ bridge: "acme", mac: `52:54:00:00:${pad(i >> 8 & 99)}:${pad(i % 100)}`, addresses: [`198.18.3.${1 + (i % 250)}`] }],
    may_run: runs ? [{ host, boot_id: "4c1f" }] : [], broken_glass: [],
  };
}

function measured(now) {
  const step_ms = 300_000;
  const wave = (i, size) => size * (1.4 + Math.sin(i / 24) + 0.3 * Math.sin(i / 3));
  const steps = Array.from({ length: 288 }, (_, i) => ({
    at: now - (288 - i) * step_ms, cpus: wave(i, 0.4), memory_bytes: Math.round(wave(i + 9, 5e8)), disk_reads: 10, disk_writes: 20,
    disk_read_bytes: Math.round(wave(i, 2e6)), disk_written_bytes: Math.round(wave(i + 20, 3e6)),
    received_bytes: Math.round(wave(i, 4e6)), sent_bytes: Math.round(wave(i + 40, 2e6)),
  }));
  return { step_ms, steps, now: { ...steps[287], at: now } };
}

export function entry(number, at, machines) {
  const vm = machines[number % Math.max(1, machines.length)];
  const kinds = [["vm_started", "placed", "started on its host"], ["snapshot_taken", "requested", "before-upgrade, of all its volumes"], ["vm_stopped", "stopped_by_guest", "the guest shut itself down"]];
  const [what, reason, words] = kinds[number % kinds.length];
  return { number, at, actor: number % 2 ? "acme/anna" : "manager", what, subject: `vm/${vm?.id ?? "none"}`, reason, words, request: "", facts: vm ? { name: vm.name } : {}, tenant: "acme" };
}

const kOwner = ["see_machines", "run_machines", "change_machines", "change_contents", "use_console", "manage_users", "accept_delivery", "watch_access", "end_access", "read_own_audit"];

function of_tenant(now, empty) {
  const user = (name, roles, more = {}) => ({ name, roles, own_roles: [], disabled: false, invited: false, second_factor: true, created: now - 90 * 24 * kHour_ms, ...more });
  const token = (id, name, more = {}) => ({ id, name, current: false, permissions: kOwner, created: now - 48 * kHour_ms, expires: now + 900 * kHour_ms, last_use: now - 60_000, ...more });
  const image = (name, kind, more = {}) => ({ name, kind, description: "", least_mib: 2048, own: false, sha256: "", problem: "", ...more });
  return {
    me: { user: "acme/anna", tenant: "acme", roles: ["owner"], own_roles: [], permissions: kOwner, second_factor: true, recovery_codes: 8, rules: { password_length: 12, second_factor: true } },
    users: [user("anna", ["owner"]), ...(empty ? [] : [user("bruno", ["operator"]), user("vera", ["viewer"], { invited: true, second_factor: false }), user("max", ["auditor"], { disabled: true })])],
    tokens: [token("t1", "", { current: true }), ...(empty ? [] : [token("t2", "deployment"), token("t3", "monitoring", { last_use: null })])],
    access: empty ? [] : [{ version: 1, id: "a1", by: "bob", tenant: "acme", category: "maintenance", reason: "moving your volumes to the new pool", began: now - 600_000, ends: now + 3_000_000, ticket: "CHG-2041" }],
    images: empty ? [] : [image("debian-12", "disk", { description: "Debian 12, with cloud-init" }), image("ubuntu-24.04", "disk", { description: "Ubuntu 24.04 LTS" }),
      image("our-appliance", "disk", { own: true, state: "ready" }), image("rescue", "iso", { own: true, state: "announced", least_mib: 0, problem: "its upload hasn't ended" })],
    roles: ["owner", "operator", "viewer", "auditor"].map((name) => ({ name, own: false, permissions: kOwner })).concat(empty ? [] : [{ name: "night-shift", own: true, permissions: ["see_machines", "run_machines"] }]),
    report: { since: now - 168 * kHour_ms, until: now, refused: [], reused: [],
      items: empty ? [] : [{ by: "bob", tenant: "acme", category: "maintenance", reason: "moving your volumes to the new pool", began: now - 600_000, looks: 12, changes: 3 }] },
    quota: { limits: { vms: 40, memory_mib: 262144, vcpus: 96, storage_mib: 4194304 }, used: { vms: 24, memory_mib: 98304, vcpus: 48, storage_mib: 983040 }, warnings: [] },
  };
}

// `lost`: the host of paris that lost its power, or null while all is well.
export function make_world({ machines = 24, each = 3, lost = "paris-2", tenant = true } = {}) {
  const now = Date.now();
  const vms = Array.from({ length: machines }, (_, i) => machine(i, { tenant, each, lost, now }));
  const world = { vms, each, lost, now, ...of_tenant(now, machines === 0), metrics: measured(now) };
  world.audit = machines ? Array.from({ length: 240 }, (_, i) => entry(i + 1, now - (240 - i) * 400_000, vms)) : [];
  refresh(world);
  return world;
}

// What follows from where the machines are.
export function refresh(world) {
  world.hosts = hosts_of(world.vms, world.each, world.lost);
  world.incidents = world.lost && world.vms.length ? incidents_of(world.vms, world.now) : [];
  world.plans = world.lost && world.vms.length ? plans_of(world.vms, world.now) : [];
  world.status = status_of(world.vms, world.hosts);
}
