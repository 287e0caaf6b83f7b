// Asks everything that the API's description allows, and much that it doesn't, of a portal, in the names of several
// tenants' users, and holds every answer against the description.
//   node fuzz.js URL PASSWORD COUNT SEED TENANT…      (each TENANT has an owner, TENANT/owner, with that password)
// Afterwards: each tenant has its own alone, no more than its quota, and every change in its audit. Fails with what was
// asked and answered, for the first ten.
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import fc from "fast-check";
import { ask_of, asker, dice_of, REASON, sensible, type Dice, type Operation, type Schema } from "./fuzz_asks.js";
import { Person, type Asked, type Disk, type Reply, type Role } from "./fuzz_people.js";

// Documented, but out of reach here: where it is shown instead.
const ELSEWHERE: Record<string, string> = {
  "take_snapshot 200": "pools of kind rbd",
  "remove_snapshot 200": "pools of kind rbd",
  "roll_back 200": "pools of kind rbd",
  "grow_volume 200": "pools of kind rbd",
  "wish_return 200": "no machine is away from home: return_wish_test.cc",
  "kill_vm 409": "overtaken by another request: own_vms_test.cc",
  "set_password 200": "each of the users here has done it",
  "set_role 404": "of every path with a name in it; a role that isn't there is made",
  "upload_image 409": "of an image that is stored: leave_test.py",
};
const ROLES: Role[] = ["operator", "viewer", "auditor", "scratch"];

interface Told {
  operationId: string;
  parameters?: { name: string; in: string }[];
  requestBody?: unknown;
  responses: Record<string, unknown>;
}
interface Description {
  paths: Record<string, Record<string, Told>>;
  components: { schemas: Record<string, Schema> };
}

const [url = "", password = "", count = "1000", seed = "1", ...tenants] = process.argv.slice(2);
const description = (await (await fetch(`${url}/v1/openapi.json`)).json()) as Description;
const find = (ref: string): Schema => description.components.schemas[ref.split("/").pop() ?? ""] ?? {};
const operations: Operation[] = Object.entries(description.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, told]) => ({
    name: told.operationId,
    method: method.toUpperCase(),
    path,
    body: (told.requestBody as { content?: Record<string, { schema: Schema }> })?.content?.["application/json"]?.schema,
    statuses: Object.keys(told.responses),
    conditions: (told.parameters ?? []).filter((each) => each.in === "header").map((each) => each.name),
  })),
);

const ajv = new Ajv2020({ strict: false, validateFormats: false });
ajv.addSchema({ $id: "api", ...description });
const validators = new Map<string, ValidateFunction>();
function validator(operation: Operation, status: string, type: string): ValidateFunction | undefined {
  const pointer = ["paths", operation.path, operation.method.toLowerCase(), "responses", status, "content", type, "schema"]
    .map((part) => part.replace(/~/g, "~0").replace(/\//g, "~1"))
    .join("/");
  const known = validators.get(pointer);
  if (known) return known;
  const responses = description.paths[operation.path]?.[operation.method.toLowerCase()]?.responses as Record<string, { content?: Record<string, unknown> }>;
  if (!responses[status]?.content?.[type]) return undefined;
  const made = ajv.compile({ $ref: `api#/${encodeURI(pointer).replace(/\{/g, "%7B").replace(/\}/g, "%7D")}` });
  validators.set(pointer, made);
  return made;
}

const seen = new Map<string, Map<number, number>>();
const complaints: string[] = [];
let asked_in_all = 0;
let fine = 0;
let limited = 0;
function complain(what: string, asked: Asked, reply: Reply): void {
  complaints.push(`${what}\n  ${asked.method} ${asked.path} ${asked.body ?? ""}\n  ${reply.status} ${reply.text.slice(0, 500)}`);
}

// What every answer must be like.
function judge(dice: Dice, person: Person, asked: Asked, reply: Reply): void {
  ++asked_in_all;
  if (reply.status < 300) ++fine;
  if (reply.status === 429) ++limited;
  const statuses = seen.get(dice.operation.name) ?? new Map<number, number>();
  seen.set(dice.operation.name, statuses.set(reply.status, (statuses.get(reply.status) ?? 0) + 1));
  if (reply.status >= 500) complain("a server's error", asked, reply);
  if (reply.status === 202 && !asked.prefer && reply.seconds < 20) complain("it didn't wait for the end", asked, reply);
  if (!reply.id) complain("no request id", asked, reply);
  if (reply.headers.get("cache-control") !== "no-store") complain("it may be cached", asked, reply);
  const documented = dice.operation.statuses.includes(String(reply.status));
  const type = (reply.headers.get("content-type") ?? "").split(";")[0] ?? "";
  const valid = validator(dice.operation, documented ? String(reply.status) : "default", type);
  if (!documented && reply.status < 400) complain("a status that isn't documented", asked, reply);
  if (!valid) complain(`a body of type "${type}", which isn't documented`, asked, reply);
  else if (!valid(reply.json)) complain(`not as documented: ${ajv.errorsText(valid.errors)}`, asked, reply);
  const told = asked.path + (asked.body ?? "");
  for (const tenant of tenants)
    if (tenant !== person.tenant && reply.text.includes(`${tenant}-m`) && !told.includes(`${tenant}-m`))
      complain("something of another tenant's", asked, reply);
}

const changes = new Map<string, string[]>(); // by tenant: the ids of requests that changed something
function remember(dice: Dice, person: Person, reply: Reply): void {
  const body = reply.json as Record<string, string>;
  if (reply.status >= 300) return;
  if (dice.operation.name === "show_vm") for (const disk of (reply.json as { disks: Disk[] }).disks) person.disks.set(String(body.name), disk);
  if (dice.operation.name === "list_access") person.accesses = (reply.json as { items: { id: string }[] }).items.map((each) => each.id);
  if (dice.operation.name === "create_token" && body.token && asked_for_little(dice)) person.watch_token = body.token;
  if (dice.operation.name === "create_token" && body.id) person.tokens = [...person.tokens.slice(-5), body.id];
  if (dice.operation.name === "offer_second_factor" && body.secret && !person.secret) offered.set(person, body.secret);
  if (dice.operation.name === "set_second_factor") person.secret = offered.get(person) ?? person.secret;
  if (dice.operation.name === "remove_second_factor") person.secret = "";
  if (body?.state && body.id) person.operations = [...person.operations.slice(-9), body.id];
  if (dice.operation.method !== "GET" && body?.state) changes.set(person.tenant, [...(changes.get(person.tenant) ?? []), reply.id]);
}
// A token that may see machines and nothing else.
function asked_for_little(dice: Dice): boolean {
  return dice.how < 75 && dice.number % 2 === 0;
}
const offered = new Map<Person, string>();

// Of a start that is under way.
async function call_back(dice: Dice, person: Person, operation: string): Promise<void> {
  await tell("cancel_operation", dice, person, `/v1/operations/${operation}/cancel`, "{}");
}

// One request of an operation that isn't the dice's own.
async function tell(name: string, dice: Dice, person: Person, path: string, body?: string, more: Partial<Asked> = {}): Promise<Reply | undefined> {
  const operation = operations.find((each) => each.name === name);
  if (!operation) return undefined;
  const asked: Asked = { method: operation.method, path, token: person.token, ...(body !== undefined && { body }), ...more };
  const reply = await person.ask(asked);
  judge({ ...dice, operation }, person, asked, reply);
  return reply;
}

// What chance brings about too seldom: machines that have changed since, keys that stand for another request, answers before
// the end, more than the quota, a start called back while it is under way, an access session ended.
async function play_seldom(owner: Person, dice: Dice): Promise<void> {
  const seen = await tell("list_access", dice, owner, "/v1/access");
  for (const { id } of (seen?.json as { items?: { id: string }[] })?.items ?? []) await tell("end_access", dice, owner, `/v1/access/${id}`, "{}");
  const key = { conditions: { "idempotency-key": "seldom" } };
  await tell("set_contacts", dice, owner, "/v1/contacts", JSON.stringify({ contacts: [] }), key);
  for (const operation of operations.filter((each) => each.conditions.includes("Idempotency-Key") && each.name !== "set_contacts"))
    await tell(operation.name, dice, owner, operation.path.replace(/\{\w+\}/g, "none"), operation.body && "{}", key);
  for (let n = 0; n < 4; ++n) await play_seldom_with(owner, dice, `${owner.tenant}-m${n}`);
}

async function play_seldom_with(owner: Person, dice: Dice, name: string): Promise<void> {
  const machine = `/v1/vms/${name}`;
  const reason = JSON.stringify({ reason: REASON });
  for (const operation of operations.filter((each) => each.path.startsWith("/v1/vms/{id}") && each.conditions.includes("If-Match"))) {
    const path = operation.path.replace("{id}", name).replace("{snapshot}", "s1");
    const body = operation.body && JSON.stringify(sensible({ ...dice, operation, number: 1 }, owner, name));
    await tell(operation.name, dice, owner, path, body, { conditions: { "if-match": '"1"' } });
  }
  await tell("remove_snapshot", dice, owner, `${machine}/snapshots/s1`, reason, { prefer: true });
  await tell("roll_back", dice, owner, `${machine}/snapshots/s1/rollback`, reason, { prefer: true });
  const shown = await tell("show_vm", dice, owner, machine);
  const disk = shown?.status === 200 ? (shown.json as { disks: Disk[] }).disks[0] : undefined;
  if (disk) await tell("grow_volume", dice, owner, `${machine}/grow`, JSON.stringify({ pool: disk.pool, volume: disk.volume, size_mib: 60_000 }));
  await tell("kill_vm", dice, owner, `${machine}/kill`, reason);
  await tell("change_vm", dice, owner, machine, JSON.stringify({ memory_mib: 60_000 }));
  const started = await tell("start_vm", dice, owner, `${machine}/start`, "{}", { prefer: true });
  if (started?.status === 202) await call_back(dice, owner, started.id);
}

async function play(person: Person, all: Dice[], people: Person[]): Promise<void> {
  for (const dice of all) {
    const other = people[(people.indexOf(person) + 1 + (dice.number % (people.length - 1))) % people.length] as Person;
    const before = person.secret;
    if (dice.operation.name === "set_second_factor") person.secret ||= offered.get(person) ?? "";
    const asked = ask_of(dice, person, other);
    person.secret = before;
    const reply = await person.ask(asked);
    judge(dice, person, asked, reply);
    remember(dice, person, reply);
    if (dice.operation.name === "start_vm" && reply.status === 202 && dice.number % 2 === 0) await call_back(dice, person, reply.id);
    // Whose session the fuzz ended signs in again, unless it failed at that too often: then nobody may for a while.
    if (reply.status === 401 && asked.token === person.token) await person.sign_in();
    // As a well-behaved client: no faster than one is let.
    const left = Number(reply.headers.get("ratelimit-remaining") ?? "100");
    const told = Math.min(Number(reply.headers.get("retry-after") ?? "1"), 2); // sign-ins that failed wait for longer
    const pause = reply.status === 429 ? told * 1000 : left < 30 ? 250 : 0;
    if (pause > 0) await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

async function get<T>(person: Person, path: string): Promise<T> {
  for (;;) {
    const reply = await person.ask({ method: "GET", path, token: person.token });
    if (reply.status === 200) return reply.json as T;
    if (reply.status === 401) await person.sign_in();
    else if (reply.status !== 429) throw new Error(`${person.name}: ${path}: ${reply.status} ${reply.text}`);
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

async function settle(owner: Person): Promise<string[]> {
  const problems: string[] = [];
  const machines = await get<{ items: { name: string; tenant?: string; memory_mib: number; vcpus: number }[] }>(owner, "/v1/vms?limit=1000");
  for (const machine of machines.items)
    if (machine.tenant !== owner.tenant || machine.name.includes("/")) problems.push(`${owner.tenant} sees ${machine.name} of ${machine.tenant}`);
  interface Amounts { vms: number; vcpus: number; memory_mib: number }
  const quota = await get<{ used: Amounts; limits: Amounts }>(owner, "/v1/quota");
  const sum = (of: (machine: { memory_mib: number; vcpus: number }) => number): number => machines.items.reduce((all, each) => all + of(each), 0);
  const used = { vms: machines.items.length, vcpus: sum((each) => each.vcpus), memory_mib: sum((each) => each.memory_mib) };
  for (const name of ["vms", "vcpus", "memory_mib"] as const) {
    if (quota.used[name] !== used[name]) problems.push(`${owner.tenant}: ${name} ${used[name]}, told ${quota.used[name]}`);
    if (used[name] > quota.limits[name]) problems.push(`${owner.tenant}: ${name} ${used[name]} of ${quota.limits[name]}`);
  }
  const written = new Set<string>();
  for (let after = 0, more = true; more; ) {
    const page = await get<{ items: { request?: string; tenant: string }[]; next: number }>(owner, `/v1/audit?after=${after}&limit=1000`);
    for (const entry of page.items) {
      written.add(entry.request ?? "");
      if (entry.tenant !== owner.tenant) problems.push(`${owner.tenant} reads the audit of ${entry.tenant}`);
    }
    more = page.next > after;
    after = page.next;
  }
  const lost = (changes.get(owner.tenant) ?? []).filter((id) => !written.has(id));
  if (lost.length > 0) problems.push(`${owner.tenant}: ${lost.length} changes aren't in the audit: ${lost.slice(0, 3)}`);
  return problems;
}

async function gather(): Promise<Person[]> {
  const people: Person[] = [];
  for (const tenant of tenants) {
    const owner = new Person(url, tenant, "owner", password);
    if (await owner.sign_in()) throw new Error(`${owner.name} can't sign in`);
    people.push(owner);
    for (const role of ROLES) {
      const body = JSON.stringify({ name: role, roles: [role === "scratch" ? "viewer" : role] });
      const invited = await owner.ask({ method: "POST", path: "/v1/users", token: owner.token, body });
      const invitation = (invited.json as { invitation: string }).invitation;
      const person = new Person(url, tenant, role, password);
      const accepted = await person.ask({ method: "POST", path: "/v1/passwords", body: JSON.stringify({ user: person.name, invitation, password }) });
      if (accepted.status !== 200) throw new Error(`${person.name}: ${accepted.text}`);
      await person.sign_in();
      people.push(person);
    }
  }
  return people;
}

const started = Date.now();
const people = await gather();
const games = new Map<Person, Dice[]>(people.map((person) => [person, []]));
for (const dice of fc.sample(dice_of(operations, find), { numRuns: Number(count), seed: Number(seed) })) games.get(asker(dice, people))?.push(dice);
await Promise.all(people.map((person) => play(person, games.get(person) ?? [], people)));
const owners = people.filter((person) => person.role === "owner");
for (const owner of owners) await play_seldom(owner, games.get(owner)?.[0] as Dice);
const seconds = (Date.now() - started) / 1000;

const problems = (await Promise.all(owners.map(settle))).flat();
const missing = operations.flatMap((operation) =>
  operation.statuses.filter((status) => status !== "default" && !seen.get(operation.name)?.has(Number(status))).map((status) => `${operation.name} ${status}`),
);
const unshown = missing.filter((each) => !(each in ELSEWHERE));
const share = Math.round((fine / asked_in_all) * 100);
console.log(`${asked_in_all} requests in ${seconds.toFixed(0)} s, ${share} % of them 2xx, ${limited} 429, seed ${seed}`);
if (process.env["FUZZ_TABLE"]) for (const [name, statuses] of seen) console.log(name, Object.fromEntries(statuses));
if (Number(count) >= 5000 && unshown.length > 0) problems.push(`never seen: ${unshown.join(", ")}`);
if (share < 30) problems.push(`only ${share} % 2xx`);
for (const each of [...complaints.slice(0, 10), ...problems]) console.log(each);
console.log(complaints.length + problems.length === 0 ? "as documented" : `${complaints.length} complaints, ${problems.length} problems`);
process.exit(complaints.length + problems.length === 0 ? 0 : 1);
