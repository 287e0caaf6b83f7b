// A tenant's program: makes a machine from an image, reaches it by SSH, reads its console, deletes it. All that it knows
// of the API are the types that were generated from its description.
//   node machine.js URL USER PASSWORD CA KEY TENANT.KEY TENANT.PIN      (KEY: a private SSH key, KEY.pub beside it)
import { execFile } from "node:child_process";
import { createPrivateKey, randomBytes, sign } from "node:crypto";
import { readFileSync } from "node:fs";
import { promisify } from "node:util";
import createClient from "openapi-fetch";
import WebSocket from "ws";
import type { components, operations, paths } from "./schema.js";

type Problem = components["schemas"]["Problem"];
type Grant = NonNullable<NonNullable<operations["open_console"]["requestBody"]>["content"]["application/json"]["grant"]>;
const [url = "", user = "", password = "", ca = "", key = "", tenantKey = "", tenantPin = ""] = process.argv.slice(2);
const api = createClient<paths>({ baseUrl: url });
const started = Date.now();
const run = promisify(execFile);

function note(text: string): void {
  console.log(`${((Date.now() - started) / 1000).toFixed(1)} s: ${text}`);
}

// What was asked for; a refusal ends the program with the API's words.
function got<T>(answer: { data?: T; error?: Problem }): T {
  if (answer.error) throw new Error(`${answer.error.status} ${answer.error.detail}`);
  return answer.data as T;
}

// The operation at its end.
async function ended(operation: components["schemas"]["OperationView"]): Promise<void> {
  while (operation.state === "running")
    operation = got(
      await api.GET("/v1/operations/{id}", { params: { path: { id: operation.id }, query: { wait: 20 } } }),
    );
  if (operation.state === "failed") throw new Error(operation.error?.message ?? "failed");
}

async function until<T>(what: string, attempt: () => Promise<T | undefined>): Promise<T> {
  for (const end = Date.now() + 300_000; Date.now() < end; ) {
    const result = await attempt();
    if (result !== undefined) return result;
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
  throw new Error(`${what}: not within 300 s`);
}

async function ssh(address: string, command: string): Promise<string | undefined> {
  const options = ["BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "ConnectTimeout=3"];
  const words = ["-i", key, ...options.flatMap((option) => ["-o", option]), `debian@${address}`, command];
  try {
    return (await run("ssh", words)).stdout.trim();
  } catch {
    return undefined;
  }
}

// What the serial line says until the awaited words.
async function console_says(path: string, awaited: string): Promise<string> {
  const socket = new WebSocket(url.replace("https:", "wss:") + path, { ca: readFileSync(ca) });
  let said = "";
  return await new Promise((resolve, reject) => {
    const typing = setInterval(() => socket.readyState === WebSocket.OPEN && socket.send("\r"), 1000);
    const end = (how: () => void): void => {
      clearInterval(typing);
      socket.close();
      how();
    };
    socket.on("message", (data) => {
      said += data.toString();
      if (said.includes(awaited)) end(() => resolve(said));
    });
    socket.on("error", (error) => end(() => reject(error)));
    socket.on("close", (_code, why) => end(() => reject(new Error(`closed: ${why.toString()}`))));
  });
}

// With its members in alphabetical order and without blanks: what signatures are of.
function canonical(value: unknown): string {
  return JSON.stringify(value, (_name, member: unknown) =>
    member && typeof member === "object" && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1)))
      : member,
  );
}

// The tenant's leave to use its machine's console, for this user, now.
function granted(vm: string, reason: string): Grant {
  const now = Date.now();
  const grant: Grant = {
    vm,
    operations: ["console"],
    who: user,
    reason,
    not_before: now,
    not_after: now + 600_000,
    nonce: randomBytes(16).toString("hex"),
    pin: JSON.parse(readFileSync(tenantPin, "utf8")) as Grant["pin"],
    signature: "",
  };
  const text = Buffer.from(`bascule grant 1\n${canonical(grant)}`);
  return { ...grant, signature: sign(null, text, createPrivateKey(readFileSync(tenantKey))).toString("hex") };
}

const session = got(await api.POST("/v1/sessions", { body: { user, password } }));
api.use({
  onRequest({ request }) {
    request.headers.set("authorization", `Bearer ${session.token}`);
    return request;
  },
});
const image = got(await api.GET("/v1/images")).items[0];
if (!image) throw new Error("nothing is offered");
await ended(
  got(
    await api.POST("/v1/vms", {
      body: {
        name: "generated",
        image: image.name,
        size_mib: image.least_mib,
        memory_mib: 256,
        ssh_keys: [readFileSync(`${key}.pub`, "utf8").trim()],
      },
    }),
  ),
);
note(`made from ${image.name}`);

const path = { params: { path: { id: "generated" } } };
const machine = got(await api.GET("/v1/vms/{id}", path));
const address = machine.nics[0]?.addresses[0];
if (!address) throw new Error("it has no address");
const name = await until("SSH with the key", () => ssh(address, "hostname"));
if (name !== "generated") throw new Error(`it calls itself ${name}`);
note("SSH with the key");

const reason = "a look at the console";
const ticket = got(await api.POST("/v1/vms/{id}/console", { ...path, body: { reason, grant: granted(machine.id, reason) } }));
await console_says(ticket.path, "generated login:");
note("a login prompt on the serial line");

await ended(got(await api.POST("/v1/vms/{id}/kill", { ...path, body: { reason } })));
await ended(got(await api.DELETE("/v1/vms/{id}", { ...path, body: {} })));
const gone = await api.GET("/v1/vms/{id}", path);
if (gone.response.status !== 404) throw new Error(`deleted, and still there: ${gone.response.status}`);
note("deleted");
