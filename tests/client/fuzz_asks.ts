// What is asked: for each operation of the API a request that makes sense now, or one that the schema alone, or
// nothing at all, allows.
import fc from "fast-check";
import { code_of, type Asked, type Disk, type Person } from "./fuzz_people.js";

export interface Operation {
  name: string;
  method: string;
  path: string; // "/v1/vms/{id}"
  body?: Schema;
  statuses: string[];
  conditions: string[]; // the names of its headers
}
// As much of JSON Schema as the API's description uses.
export interface Schema {
  $ref?: string;
  type?: string;
  enum?: unknown[];
  anyOf?: Schema[];
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  minimum?: number;
  maximum?: number;
}

export interface Dice {
  operation: Operation;
  who: number;
  number: number;
  how: number; // 0 to 99: sensible, by the schema, or wild
  whose: number; // 0 to 99: one's own things, another's, or none's
  token: number; // 0 to 99: one's own, none, a forged one
  prefer: boolean;
  condition: number; // 0 to 19: of the headers that a change takes
  text: string;
  noise: unknown;
  by_schema: unknown;
}

export const REASON = "looking after our shop";
// How often, of 2 that other changes have, and 4 that what is only read has: machines must be there, and what some are about seldom is.
const WEIGHTS: Record<string, number> = { create_vm: 6, change_vm: 3, start_vm: 3, kill_vm: 3, cancel_operation: 1, remove_role: 1, remove_second_factor: 5, end_access: 4, remove_snapshot: 3, list_vms: 6, show_vm: 6, show_quota: 6 };
const OWNERS = new Set(["set_rules", "list_users", "invite_user", "change_user", "remove_user", "list_roles", "set_role", "remove_role", "report_access", "show_contacts", "set_contacts"]);

function by_schema(schema: Schema, find: (ref: string) => Schema): fc.Arbitrary<unknown> {
  if (schema.$ref) return by_schema(find(schema.$ref), find);
  if (schema.enum) return fc.constantFrom(...schema.enum);
  if (schema.anyOf) return fc.oneof(...schema.anyOf.map((each) => by_schema(each, find)));
  switch (schema.type) {
    case "string":
      return fc.oneof(fc.string({ maxLength: 40 }), fc.fullUnicodeString({ maxLength: 40 }), fc.constant(REASON));
    case "integer":
      return fc.oneof(fc.nat(70), fc.integer({ min: schema.minimum ?? -(2 ** 53), max: schema.maximum ?? 2 ** 53 }));
    case "boolean":
      return fc.boolean();
    case "array":
      return fc.array(by_schema(schema.items ?? {}, find), { maxLength: 4 });
    case "object": {
      const members = Object.entries(schema.properties ?? {}).map(([name, each]) => [name, by_schema(each, find)] as const);
      return fc.record(Object.fromEntries(members), { requiredKeys: (schema.required ?? []) as never[] });
    }
    default:
      return fc.constant(null);
  }
}

export function dice_of(operations: Operation[], find: (ref: string) => Schema): fc.Arbitrary<Dice> {
  const weighted = operations.map((operation) => ({
    weight: WEIGHTS[operation.name] ?? (operation.method === "GET" ? 4 : 2),
    arbitrary: fc.record({
      operation: fc.constant(operation),
      who: fc.nat(999),
      number: fc.nat(999),
      how: fc.nat(99),
      whose: fc.nat(99),
      token: fc.nat(99),
      prefer: fc.boolean(),
      condition: fc.nat(19),
      text: fc.oneof(fc.string({ maxLength: 300 }), fc.fullUnicodeString({ maxLength: 60 })),
      noise: fc.jsonValue({ maxDepth: 3 }),
      by_schema: operation.body ? by_schema(operation.body, find) : fc.constant(undefined),
    }),
  }));
  return fc.oneof(...weighted);
}

function volume_of(person: Person, machine: string): Partial<Disk> {
  const disk = person.disks.get(machine);
  return disk ? { pool: disk.pool, volume: disk.volume } : {};
}

// Of what makes sense: the body of an operation.
export function sensible(dice: Dice, person: Person, machine: string): unknown {
  const n = dice.number;
  const roles = ["operator", "viewer", "auditor"];
  switch (dice.operation.name) {
    case "create_vm":
      return { name: machine, memory_mib: 64, size_mib: 1 + (n % 2), vcpus: 1 + (n % 2), start: n % 5 === 0, screen: n % 2 === 0 };
    case "change_vm":
      return n % 3 === 0 ? { keep: n % 2 === 0 } : { memory_mib: n % 10 === 1 ? 60_000 : 64 + (n % 2) * 16, reason: REASON };
    case "reboot_vm":
      return n % 3 === 0 ? {} : { hard: true, reason: REASON };
    case "kill_vm":
      return { reason: n % 4 === 0 ? "" : REASON };
    case "open_console":
      return { reason: n % 2 === 0 ? REASON : "" };
    case "grow_volume":
      return { pool: "metro", volume: machine, ...volume_of(person, machine), size_mib: n % 2 === 0 ? 60_000 : 4 };
    case "remove_snapshot":
    case "roll_back":
      return n % 4 === 0 ? {} : { reason: REASON };
    case "take_snapshot":
      return { name: `s${n % 3}` };
    case "invite_user":
      return { name: n % 12 === 0 ? "viewer" : `u${n % 6}`, roles: [roles[n % 3]], own_roles: n % 7 === 0 ? [`r${n % 4}`] : [] };
    case "change_user":
      return { roles: [roles[n % 3]], disabled: n % 2 === 0 };
    case "announce_image":
      return { name: `i${n % 4}`, kind: n % 2 === 0 ? "iso" : "disk", bytes: n % 5 === 0 ? 2 ** 39 : 1000, sha256: "a".repeat(64) };
    case "set_contacts":
      return { contacts: n % 3 === 0 ? [] : ["ops@example.org"] };
    case "set_role":
      return { permissions: n % 6 === 0 ? ["manage_users"] : ["see_machines", "run_machines"].slice(0, 1 + (n % 2)) };
    case "wish_return":
      return n % 2 === 0 ? {} : { not_before: Date.now() + 3_600_000 };
    case "create_token":
      return { name: `watch-${n}`, days: 1 + (n % 300), permissions: n % 2 === 0 ? ["see_machines"] : [] };
    case "open_session":
      if (n % 9 === 0) return { user: `${person.tenant}/nobody`, password: person.password };
      return { user: person.name, password: person.password, code: person.secret ? code_of(person.secret) : "" };
    case "change_password":
      return { password: n % 9 === 0 ? `${person.password} or so` : person.password, new_password: person.password };
    case "set_password":
      return { user: `${person.tenant}/nobody`, invitation: "bst_0", password: person.password };
    case "set_rules":
      return { password_length: 12 + (n % 8) };
    case "set_second_factor":
      return { secret: person.secret, code: person.secret ? code_of(person.secret) : "000000" };
    case "remove_second_factor":
      return { code: person.secret ? code_of(person.secret) : "000000" };
    default:
      return {};
  }
}

function spoiled(body: unknown, dice: Dice): string {
  if (dice.number % 7 === 0) return dice.text; // no JSON, mostly
  if (dice.number % 7 === 1) return JSON.stringify(dice.noise);
  const members = { ...(body as Record<string, unknown>) };
  const names = Object.keys(members);
  const name = names[dice.number % Math.max(names.length, 1)] ?? "reason";
  if (dice.number % 7 < 4) members[name] = dice.noise;
  else if (dice.number % 7 === 4) delete members[name];
  else members[dice.text] = dice.noise;
  return JSON.stringify(members);
}

function thing(dice: Dice, person: Person, others: Person, machine: string, foreign: string, parameter: string): string {
  const mine = dice.whose < 85;
  if (dice.whose >= 95) return encodeURIComponent(dice.text || "x").replace(/[.]/g, "%2E");
  if (parameter === "snapshot") return `s${dice.number % 3}`;
  const owner = mine ? person : others;
  const family = dice.operation.path.split("/")[2];
  const of = (list: string[]): string => list[dice.number % Math.max(list.length, 1)] ?? "00000000-0000-4000-8000-000000000000";
  if (family === "vms") return mine ? machine : foreign;
  if (family === "users" && mine && dice.number % 12 === 0) return "owner"; // the last one
  if (family === "images") return `i${dice.number % 4}`;
  if (family === "roles") return `r${dice.number % 4}`;
  if (family === "users") return mine ? `u${dice.number % 6}` : `${owner.tenant}%2Fu${dice.number % 6}`;
  if (family === "access") return of(owner.accesses);
  if (family === "tokens") return of(owner.tokens);
  if (family === "operations") return (dice.number % 4 > 0 && owner.operations.at(-1)) || of(owner.operations);
  return of([]);
}

// What of this operation has whom as its asker, so that nobody is locked out who is needed.
export function asker(dice: Dice, people: Person[]): Person {
  const own = /^\/v1\/(me|sessions|passwords)/.test(dice.operation.path);
  const owners = OWNERS.has(dice.operation.name) && dice.number % 4 !== 0;
  const fitting = people.filter((person) => (own ? person.role === "scratch" : owners ? person.role === "owner" : person.role !== "scratch"));
  return fitting[dice.who % fitting.length] as Person;
}

// Few keys, so that some stand for another request already.
function conditions_of(dice: Dice): Record<string, string> {
  const conditions: Record<string, string>[] = [
    { "idempotency-key": "two words" },
    { "idempotency-key": `k${dice.number % 20}` },
    { "idempotency-key": `"k${dice.number % 20}"` },
    { "if-match": '"1000000000"' },
    { "if-match": '"1000000001"' },
    { "if-match": '"1000000002"' },
    { "if-match": "*" },
    { "if-match": '"0", "1"' },
    { "if-match": "0" },
  ];
  return conditions[dice.condition] ?? {};
}

export function ask_of(dice: Dice, person: Person, other: Person): Asked {
  const machine = `${person.tenant}-m${dice.number % 4}`;
  const foreign = `${other.tenant}/${other.tenant}-m${dice.number % 6}`;
  const path = dice.operation.path.replace(/\{(\w+)\}/g, (_all, name: string) =>
    thing(dice, person, other, machine, encodeURIComponent(foreign), name),
  );
  const asked: Asked = { method: dice.operation.method, path, token: person.token, prefer: dice.operation.name === "stop_vm" || dice.operation.name === "start_vm" ? dice.number % 8 > 0 : dice.prefer };
  if (dice.operation.conditions.includes("Idempotency-Key")) asked.conditions = conditions_of(dice);
  if (dice.token >= 90 && dice.token < 97 && person.watch_token) asked.token = person.watch_token;
  if (dice.token >= 97) asked.token = dice.token === 97 ? "bst_forged" : "";
  if (dice.operation.body) {
    const good = sensible(dice, person, machine);
    if (dice.how < 75) asked.body = JSON.stringify(good);
    else if (dice.how < 85) asked.body = JSON.stringify(dice.by_schema);
    else asked.body = spoiled(good, dice);
    // Whose account was tried often enough would be locked out, too.
    if (dice.operation.name === "open_session" && dice.how >= 75) asked.body = asked.body.replace(person.name, `${person.tenant}/nobody`);
    // Who demanded a second factor of everybody would lock them out, and so would another's password.
    if (dice.operation.name === "set_rules") asked.body = asked.body.replace(/"second_factor":true/, '"second_factor":false');
  }
  if (dice.operation.method === "GET" && dice.how >= 60) asked.path += query_of(dice);
  return asked;
}

function query_of(dice: Dice): string {
  const n = dice.number;
  switch (dice.operation.name) {
    case "list_vms":
    case "list_users":
    case "list_tokens":
    case "list_access":
    case "list_returns":
      return dice.how < 90 ? `?limit=${1 + (n % 5)}` : `?limit=${encodeURIComponent(dice.text)}`;
    case "list_audit":
    case "follow_events":
      return dice.how < 90 ? `?after=${n}` : `?after=${encodeURIComponent(dice.text)}&limit=-1`;
    case "report_access":
      return dice.how < 80 ? `?days=${n % 30}` : "?days=yesterday";
    case "show_operation":
      return dice.how < 80 ? "?wait=1" : `?wait=${n + 26}`;
    default:
      return `?${encodeURIComponent(dice.text)}=1`;
  }
}
