// @ts-check
// What a made-up provider's staff see; checked against portal/ui/src/staff.ts by tests/web/run.
/** @import { Explanation, Host, Incident, IncidentStory, Plan, Staff, Status, Told } from "../../portal/ui/src/staff.js" */

/** @type {Staff} */
export const alice = {
  user: "alice",
  permissions: ["see_fleet", "operate_hosts", "decide_failback", "test_notices", "manage_tenants", "see_access", "open_access", "read_audit"],
};

export const kSites = ["paris", "lyon"];
const kHostMemory_mib = 256 * 1024;

/**
 * @typedef {{ id: string, name: string, host?: string | null, memory_mib: number, vcpus: number, away: boolean, state: string }} Guest
 * @param {string} site @param {number} number @param {Guest[]} guests @param {boolean} down
 * @returns {Host}
 */
function host(site, number, guests, down) {
  const name = `${site}-${number}`;
  const here = guests.filter((guest) => guest.host === name);
  const sum = (/** @type {(guest: Guest) => number} */ of) => here.reduce((all, guest) => all + of(guest), 0);
  return {
    id: `host-${name}`,
    name,
    site,
    phase: down ? "down" : "up",
    reason: down ? "evidence_power_off" : "cleared",
    session: !down,
    quarantined: down,
    fencing: { state: "ready", because: "its BMC says that it is on, and it proved to be its own" },
    capacity: { memory_mib: kHostMemory_mib, vcpus: 96 },
    used: { memory_mib: sum((guest) => guest.memory_mib), vcpus: sum((guest) => guest.vcpus), vms: here.length },
    faults: down ? ["no heartbeat since it lost its power"] : [],
    vms: here.map((guest) => guest.name),
    ...(!down && { network: { received_bytes: 31e6 * number, sent_bytes: 88e6 * number, link_bytes: 1.25e9 } }),
  };
}

/** @param {Guest[]} guests @param {number} each @param {string | null} lost @returns {Host[]} */
export const hosts_of = (guests, each, lost) =>
  kSites.flatMap((site) => Array.from({ length: each }, (_, i) => host(site, i + 1, guests, `${site}-${i + 1}` === lost)));

/** @param {Guest[]} guests @param {Host[]} hosts @returns {Status} */
export function status_of(guests, hosts) {
  const count = (/** @type {(guest: Guest) => boolean} */ is) => guests.filter(is).length;
  const away = guests.filter((guest) => guest.away);
  const down = hosts.filter((one) => one.phase !== "up");
  const faults = hosts.reduce((all, one) => all + one.faults.length, 0);
  const word = [[down.length, "DOWN"], [away.length, "AWAY"], [down.length, "QUARANTINED"], [faults, "FAULT"]]
    .filter(([n]) => n)
    .map((one) => one.join(" "));
  return {
    word: word.join(", ") || "NOMINAL",
    cluster: "example",
    version: "1.0",
    counts: {
      hosts: hosts.length,
      hosts_up: hosts.filter((one) => one.phase === "up").length,
      vms: guests.length,
      vms_running: count((guest) => guest.state === "running"),
      recovering: count((guest) => guest.state === "recovering"),
      failed: count((guest) => guest.state === "failed"),
      away: away.length,
      unprotected: 0,
      held: 0,
      faults,
    },
    attention: [
      ...down.flatMap(({ name, faults: [fault] }) => [
        `host ${name} is down (evidence_power_off): see \`bascule explain host/${name}\``,
        `host ${name} is quarantined (returned_quarantined) and gets no VM until \`bascule host clear ${name}\``,
        `host ${name}: ${fault}`,
      ]),
      ...away.map(({ name }) => `VM ${name} is away from paris; it stays there until an approved plan: \`bascule failback plan\``),
    ],
    not_automatic: ["While this only manager is away, nothing is switched; guests run on."],
    channels: [{ name: "mail", problem: "" }, { name: "sms", problem: down.length ? "the gateway answers 503" : "" }],
    replication: kSites.map((from) => ({ from, volumes: guests.length, following: guests.length - down.length, behind_ms: 400 })),
  };
}

/** @param {Guest[]} guests @param {number} now @returns {Incident[]} */
export function incidents_of(guests, now) {
  const switched = guests.filter((guest) => guest.away).map((guest) => guest.id);
  return [{ id: "incident-7", kind: "host_lost", site: "paris", hosts: ["paris-2"], vms: switched, switched, opened: now - 1_500_000 }];
}

/** @type {[number, string, string, string, string][]} */
const kStory = [
  [-1.9, "suspect_host", "host/paris-2", "heartbeats_missed", "two heartbeats are missing"],
  [0, "host_lost", "host/paris-2", "heartbeats_missed", "no peer sees it, and its guard doesn't ask"],
  [0, "notify", "incident/incident-7", "to_be_told", "host_lost"],
  [0.1, "fence_host", "host/paris-2", "fencing_started", ""],
  [0.9, "host_down", "host/paris-2", "evidence_power_off", "its BMC says that it is off"],
  [1, "recover_vm", "vm/vm-00002", "evidence_power_off", ""],
  [1.1, "start_vm", "vm/vm-00002", "started_elsewhere", "lyon-1 has room for it, and its copy was 0.4 s behind"],
  [4.3, "vm_running", "vm/vm-00002", "started_elsewhere", ""],
  [9, "notify", "incident/incident-7", "to_be_told", "vms_switched"],
];

/** @param {Incident} incident @returns {IncidentStory} */
export function story_of(incident) {
  const timeline = kStory.map(([after, what, subject, reason, words], i) => ({
    number: 900 + i, at: incident.opened + after * 1000, actor: "engine", what, subject, reason, words, facts: {},
  }));
  return { ...incident, timeline, cut: false };
}

/** @param {Told[]} trail @param {number} now @returns {Explanation} */
export const explanation_of = (trail, now) => ({
  evidence: [{ host: "paris-2", evidence: { type: "power_off", at: now - 1_500_000 } }],
  trail,
});

/** @param {Guest[]} guests @param {number} now @returns {Plan[]} */
export function plans_of(guests, now) {
  const items = guests
    .filter((guest) => guest.away)
    .map((guest) => ({
      vm: guest.id,
      name: guest.name,
      from: { host: guest.host ?? "" },
      to: { host: "paris-1" },
      phase: "waiting",
      why_safe: "its copy at paris is 0.4 s behind, and paris-1 has room for it",
    }));
  const plan = { digest: "9f2c", items, expires: now + 3_600_000, author: "alice" };
  return [
    { ...plan, id: "plan-3", phase: "proposed", created: now - 60_000 },
    { ...plan, id: "plan-4", phase: "approved", created: now - 50_000, not_before: now + 40_000_000, approved_by: "bob", reason: "tonight is quiet" },
    { ...plan, id: "plan-2", phase: "done", created: now - 86_400_000, items: items.slice(0, 2).map((item) => ({ ...item, phase: "home" })), approved_by: "bob", reason: "paris has its power again" },
  ];
}
