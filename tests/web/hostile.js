// Words that would be markup, addresses that lead elsewhere, and a session that somebody else has prepared.
import { request } from "node:https";
import { check_only_text, go, kEvil, must, note, open, settings, start, until } from "./browser.js";

const browser = await start();
const page = await open(browser);
const dialog = page.getByRole("dialog");
const kToken = "bascule.token";
const held = (from) => from.evaluate((name) => sessionStorage.getItem(name), kToken);

async function sign_in_at(there) {
  await there.getByLabel("Name", { exact: true }).fill(settings.user);
  await there.getByLabel("Password").fill(settings.password);
  await there.getByRole("button", { name: "Sign in" }).click();
  await there.getByRole("navigation").waitFor();
}

// Prepared by somebody else before she signs in: neither let in by it, nor is it hers afterwards.
const planted = "bst_planted0000000000000000000000000000000000000";
await page.goto(settings.url);
await page.evaluate(([name, value]) => sessionStorage.setItem(name, value), [kToken, planted]);
await page.reload();
await page.getByRole("button", { name: "Sign in" }).waitFor();
const used = [];
page.on("request", (asked) => used.push(asked.headers()["authorization"] ?? ""));
await page.evaluate(([name, value]) => sessionStorage.setItem(name, value), [kToken, planted]);
await sign_in_at(page);
const token = await held(page);
must(token && token !== planted, "signing in makes a token of its own");
await page.getByRole("link", { name: "shop-1" }).waitFor();
const later = used.slice(used.findIndex((one) => one.includes(token)));
must(later.length > 0 && later.every((one) => !one.includes(planted)), "what was planted is used no more");
note("a session that was planted is of no use");

// Whatever the API takes of it is shown as text, and so is what it says of what it doesn't take.
const ask = (method, path, body) =>
  page.evaluate(
    async ([how, where, what, name]) => {
      const headers = { authorization: `Bearer ${sessionStorage.getItem(name)}`, "content-type": "application/json" };
      const answer = await fetch(where, { method: how, headers, body: JSON.stringify(what) });
      return answer.status;
    },
    [method, path, body, kToken],
  );
const digest = "0".repeat(64);
const named = encodeURIComponent(kEvil);
const taken = {};
for (const [what, ...asked] of [
  ["machine", "POST", "/v1/vms", { name: kEvil, size_mib: 64, memory_mib: 64, vcpus: 1, ssh_keys: [] }],
  ["machine's new name", "PUT", "/v1/vms/shop-1", { name: kEvil }],
  ["user", "POST", "/v1/users", { name: kEvil, roles: ["viewer"] }],
  ["role", "PUT", `/v1/roles/${named}`, { permissions: ["see_machines"] }],
  ["token", "POST", "/v1/tokens", { name: kEvil, days: 1 }],
  ["image", "POST", "/v1/images", { name: kEvil, bytes: 1 << 20, sha256: digest }],
  ["snapshot", "POST", "/v1/vms/shop-1/snapshots", { name: kEvil }],
  ["contact", "PUT", "/v1/contacts", { contacts: [`${kEvil}@acme.example`] }],
  ["reason", "POST", "/v1/vms/shop-1/reboot", { hard: true, reason: `${kEvil} or any other reason` }],
  ["reason of a kill", "POST", "/v1/vms/none-such/kill", { reason: `${kEvil} or any other reason` }],
  ["sign-in", "POST", "/v1/sessions", { user: `acme/${kEvil}`, password: kEvil }],
])
  taken[what] = await ask(...asked);
note(`asked with markup in it: ${JSON.stringify(taken)}`);
must(taken.reason === 200, "a reason may be any words");

const fills = [
  ["/people", "Invite", [["Name", kEvil]], "Invite"],
  ["/people", "New role", [["Name", kEvil]], "Save", "see machines"],
  ["/tokens", "New token", [["Name", kEvil]], "New token"],
  ["/machines", "New machine", [["Name", "a"], ["SSH key", kEvil]], "Make it"],
];
for (const [at, opens, texts, does, also] of fills) {
  await go(page, at);
  await page.getByRole("button", { name: opens }).click();
  for (const [label, words] of texts) await dialog.getByLabel(label, { exact: true }).fill(words);
  if (also) await dialog.getByLabel(also).check();
  await dialog.getByRole("button", { name: does }).click();
  await until(`${opens}: an answer`, async () => (await dialog.count()) === 0 || (await dialog.getByRole("alert").count()) > 0);
  await check_only_text(page, opens);
  if (await dialog.count()) await dialog.getByRole("button", { name: "Cancel" }).click();
}
for (const at of ["/", "/machines/shop-1", "/people", "/tokens", "/images", "/access", "/audit", "/me"]) {
  await go(page, at);
  await check_only_text(page, at);
}
await go(page, "/audit");
await page.getByText(`${kEvil} or any other reason`).first().waitFor();
note("words are words on every page");

// No address of ours leads elsewhere.
const ours = new URL(settings.url).origin;
for (const at of ["//evil.example", "/\\evil.example", "/?next=https://evil.example", "/?next=//evil.example#//evil.example", "/machines//evil.example"]) {
  const visitor = await open(browser);
  const answer = await visitor.goto(ours + at);
  must(answer.request().redirectedFrom() === null, `${at} redirects`);
  if (answer.ok()) await sign_in_at(visitor);
  else must(answer.status() === 404, `${at}: ${answer.status()}`);
  must(new URL(visitor.url()).origin === ours, `${at} leads to ${visitor.url()}`);
  const links = await visitor.locator("a[href]").evaluateAll((all) => all.map((link) => link.origin));
  must(links.every((origin) => origin === ours), `${at} has links elsewhere: ${links}`);
  must(visitor.complaints.length === 0, visitor.complaints.join("\n"));
  await visitor.context().close();
}
note("no address leads elsewhere");

// As it is sent, with nothing made plain by a client on the way.
const raw = (path) =>
  new Promise((resolve, reject) => {
    const asked = request(settings.url, { path, rejectUnauthorized: false }, (answer) => {
      let text = "";
      answer.on("data", (block) => (text += block));
      answer.on("end", () => resolve({ status: answer.statusCode, text, headers: answer.headers }));
    });
    asked.on("error", reject).end();
  });
for (const path of ["/..%2f..%2fetc/passwd", "/assets/../../x", "/assets/..%2f..%2f..%2fetc%2fpasswd", "/../../../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd",
  "/assets/....//....//etc/passwd", "/assets%00.js", "/..\\..\\etc\\passwd", "/index.html/../../x"]) {
  const answer = await raw(path);
  must(answer.status >= 400 && answer.status < 500, `${path} is refused, not answered with ${answer.status}`);
  must(!answer.text.includes("root:"), `${path} gives a file of the system`);
}
for (const path of ["/", "/index.html", "/machines", "/v1/me"]) {
  const answer = await raw(path);
  must(!("set-cookie" in answer.headers), `${path} sets a cookie`);
}
must((await page.context().cookies()).length === 0, "no cookie is ever set");
note("nothing but the pages is served, and no cookie");
must(page.complaints.length === 0, page.complaints.join("\n"));
await browser.close();
