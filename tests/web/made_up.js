// A made-up provider on the loopback: serves the pages, and answers as the API's description has it, or fails.
import { EventEmitter, once } from "node:events";
import { createReadStream, existsSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join } from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import { alice, explanation_of, story_of } from "./made_up_staff.js";

const description = JSON.parse(readFileSync("../../tests/golden/openapi.json", "utf8"));
const ajv = new Ajv2020({ strict: false, validateFormats: false });
ajv.addSchema({ $id: "api", ...description });
const kTypes = { ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".html": "text/html" };

// The first answer of each path is held against the description: the others are made alike.
const compared = new Set();
function compare(path, body) {
  const template = Object.keys(description.paths).find((one) => new RegExp(`^${one.replace(/\{\w+\}/g, "[^/]+")}$`).test(path));
  if (!template || compared.has(template)) return;
  compared.add(template);
  const pointer = `paths/${template.replaceAll("/", "~1")}/get/responses/200/content/application~1json/schema`;
  const valid = ajv.compile({ $ref: `api#/${encodeURI(pointer).replaceAll("{", "%7B").replaceAll("}", "%7D")}` });
  if (!valid(body)) throw new Error(`${path} isn't as documented: ${ajv.errorsText(valid.errors)}`);
}

function page_of(items, url) {
  const after = Number(url.searchParams.get("after") || 0);
  const end = after + Number(url.searchParams.get("limit") ?? 100);
  return { items: items.slice(after, end), next: end < items.length ? String(end) : "" };
}

function answer(world, staff, url) {
  const [, , family, id, part] = url.pathname.split("/");
  if (family === "vms" && part === "metrics") return world.metrics;
  if (family === "vms" && id) return world.vms.find((vm) => vm.name === decodeURIComponent(id) || vm.id === id) ?? null;
  if (family === "audit") {
    const items = world.audit.filter((one) => one.number > Number(url.searchParams.get("after") ?? 0));
    return { items, next: world.audit.at(-1)?.number ?? 0 };
  }
  if (staff && family === "incidents" && id) return world.incidents.filter((one) => one.id === id).map(story_of)[0] ?? null;
  if (family === "reports") return world.report;
  if (staff && family === "explain") return explanation_of(world.audit.slice(-20), world.now);
  const lists = ["vms", "users", "tokens", "access", "images", "roles", ...(staff ? ["hosts", "incidents"] : [])];
  if (lists.includes(family)) return page_of(world[family], url);
  if (staff && family === "status") return world.status;
  if (staff && url.pathname === "/v1/failback/plans") return page_of(world.plans, url);
  if (staff && url.pathname === "/v1/staff/me") return alice;
  return staff ? undefined : { me: world.me, quota: world.quota }[family];
}

function send_file(request, response, pages, path) {
  const file = join(pages, extname(path) ? path : "index.html");
  if (!existsSync(file)) return response.writeHead(404).end();
  const packed = /\bbr\b/.test(request.headers["accept-encoding"] ?? "") && existsSync(`${file}.br`);
  response.writeHead(200, { "content-type": kTypes[extname(file)] ?? "application/octet-stream", "cache-control": "no-store", ...(packed && { "content-encoding": "br" }) });
  return createReadStream(packed ? `${file}.br` : file).pipe(response);
}

function refuse(response, path, method) {
  const [status, code, detail] =
    method === "GET" ? [404, "not_found", "There is nothing of this name: look into the list."]
    : path === "/v1/sessions" ? [401, "unauthorized", "Name, password or code is wrong: try again, or ask your owner for an invitation."]
    : [409, "conflict", "The machine's host doesn't answer at the moment: try again when it is back."];
  const problem = { type: "about:blank", title: code, status, detail, code, errors: [], request: "r-1" };
  return response.writeHead(status, { "content-type": "application/problem+json" }).end(JSON.stringify(problem));
}

// `unknown`: what was asked for and is nowhere here. `say` sends an event to whoever listens, whom `cut` cuts off;
// `asked` counts what was asked for, by path; `next` waits until that is asked for.
export async function serve({ pages, world, staff = false }) {
  const streams = new Set();
  const heard = new EventEmitter();
  const here = { world, asked: new Map(), unknown: new Set(), listeners: () => streams.size };
  const server = createServer((request, response) => {
    const url = new URL(request.url, "http://here");
    if (!url.pathname.startsWith("/v1/")) return send_file(request, response, pages, url.pathname);
    here.asked.set(url.pathname, (here.asked.get(url.pathname) ?? 0) + 1);
    setImmediate(() => heard.emit(url.pathname));
    if (url.pathname === "/v1/events") {
      response.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders();
      streams.add(response);
      return response.on("close", () => streams.delete(response));
    }
    const body = request.method === "GET" ? answer(here.world, staff, url) : null;
    if (body === undefined && url.pathname !== "/v1/staff/me") here.unknown.add(url.pathname);
    if (!body) return refuse(response, url.pathname, request.method);
    compare(url.pathname, body);
    return response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  here.url = `http://127.0.0.1:${server.address().port}`;
  here.say = (event) => {
    const text = `id: ${event.number}\ndata: ${JSON.stringify(event)}\n\n`;
    for (const stream of streams) stream.write(text);
  };
  here.next = (path) => once(heard, path);
  here.cut = () => (streams.forEach((stream) => stream.destroy()), streams.clear());
  here.close = () => (server.closeAllConnections(), server.close());
  return here;
}
