// Pictures of every page, its dialogs and its states, in every look, of a made-up provider; and a page that shows them all.
import { readdirSync, writeFileSync } from "node:fs";
import { check_accessible, faster_timers, must, note, open, settings, start, until } from "./browser.js";
import { in_every_look, look_at, named, staff_pages, tenant_pages, visit_all } from "./looks.js";
import { serve } from "./made_up.js";
import { make_world } from "./made_up_world.js";

const kTenants = make_world({ lost: "paris-2" });
const kTenant = await serve({ pages: settings.pages, world: kTenants });
const kStaff = await serve({ pages: settings.pages, world: make_world({ machines: 46, tenant: false }), staff: true });
const nothing = make_world({ machines: 0, lost: null });
const nominal = make_world({ machines: 46, lost: null, tenant: false });

const press = (where) => (page) => page.locator(where).first().click();
const dialog = (portal, name, at, where) => ({ portal, name, at, act: press(where), see: "dialog[open] h2" });
const held_up = (page) => page.route("**/v1/{vms,status}*", () => {}); // never answered
const refused = (page) => page.route("**/v1/{vms,status}*", (route) => route.fulfill({ status: 503, json: { code: "unavailable", detail: "The manager is starting: try again in some seconds.", errors: [] } }));
const cut_off = (page) => page.route("**/v1/events*", (route) => route.abort());

// Dialogs are found by what they look like, as their words differ.
const stopped = kTenants.vms.find((vm) => vm.state === "stopped").name;
const delivered = kTenants.vms.find((vm) => vm.delivered && vm.state === "running").name;
const away = kTenants.vms.find((vm) => vm.away && vm.volumes[0].snapshots.length).name;
const kActions = `/machines/${stopped}`;
const shots = [
  dialog(kTenant, "new_machine", "/", ".title .primary"),
  dialog(kTenant, "delete_machine", kActions, "[data-act=delete]"),
  dialog(kTenant, "resize_machine", kActions, "[data-act=resize]"),
  dialog(kTenant, "cut_power", `/machines/${delivered}`, "[data-act=kill]"),
  dialog(kTenant, "remove_snapshot", `/machines/${away}`, ".plain .buttons button:nth-of-type(2)"),
  dialog(kTenant, "invite", "/people", ".title .primary"),
  dialog(kTenant, "change_person", "/people", "td.buttons button"),
  dialog(kTenant, "remove_person", "/people", "td.buttons .danger"),
  dialog(kTenant, "new_token", "/tokens", ".title .primary"),
  { portal: kTenant, name: "console_with_key", at: `/machines/${delivered}/screen`, see: "dialog fieldset" },
  { portal: kTenant, name: "machine_away", at: `/machines/${away}`, see: ".banner.warning" },
  { portal: kTenant, name: "no_machine", at: "/machines/nowhere-1", see: ".failure" },
  { portal: kTenant, name: "lost_connection", at: "/", before: cut_off, see: ".banner.warning" },
  { portal: kTenant, name: "loading", at: "/", before: held_up, see: "[aria-busy]" },
  { portal: kTenant, name: "failing", at: "/", before: refused, see: ".failure" },
  ...["/", "/images", "/people", "/access", "/audit", "/tokens"].map((at) => ({ portal: kTenant, name: `empty${named(at)}`, at, world: nothing, see: "main h1" })),
  dialog(kStaff, "begin_work", "/machines", ".title .primary"),
  dialog(kStaff, "plan", "/failback", ".title .primary"),
  dialog(kStaff, "approve", "/failback", ".card .primary"),
  { portal: kStaff, name: "incident", at: "/incidents/incident-7", see: "svg.timeline" },
  { portal: kStaff, name: "nominal", at: "/", world: nominal, see: ".good, main h1" },
  { portal: kStaff, name: "nominal_noc", at: "/noc", world: nominal, see: "main h1.good" },
  { portal: kStaff, name: "nominal_failback", at: "/failback", world: nominal, see: "main h1" },
  { portal: kStaff, name: "lost_noc", at: "/noc", before: cut_off, see: '[data-lost="true"]' },
  { portal: kStaff, name: "loading", at: "/", before: held_up, see: "[aria-busy]" },
  { portal: kStaff, name: "failing", at: "/", before: refused, see: ".failure" },
];

async function take(page, look, { portal, name, at, world, before, act, see }) {
  const usual = portal.world;
  portal.world = world ?? usual;
  await before?.(page);
  await page.goto(portal.url + at);
  await act?.(page);
  await page.locator(see).first().waitFor();
  if (!before) await page.locator('[aria-busy="true"]').first().waitFor({ state: "detached" });
  await look_at(page, look, `${portal === kStaff ? "staff" : "tenant"}_${name}`);
  if (before) await page.unrouteAll({ behavior: "ignoreErrors" });
  portal.world = usual;
}

async function sign_in_pages(page, look) {
  await page.goto(kTenant.url);
  await page.locator("form").waitFor();
  await look_at(page, look, "sign_in");
  await page.locator("input").nth(0).fill("acme/anna");
  await page.locator("input").nth(1).fill("not her password at all");
  await page.locator("[type=submit]").click();
  await page.getByRole("alert").waitFor();
  await look_at(page, look, "sign_in_refused");
  await page.locator("button.plain").first().click();
  await look_at(page, look, "sign_in_invited");
}

const kPrompt = Buffer.from("\r\nDebian GNU/Linux 12 shop-01 ttyS0\r\n\r\nshop-01 login: ");

async function serial_line(page, look) {
  await page.routeWebSocket(/./, (socket) => void socket.send(kPrompt));
  await page.route("**/console", (route) => route.fulfill({ status: 201, json: { path: "/v1/streams/one", expires: Date.now() + 60_000 } }));
  await page.goto(`${kTenant.url}/machines/shop-01/serial`);
  await page.locator("dialog input").first().fill("a look at our new machine");
  await page.locator("dialog [type=submit]").click();
  await page.locator(".xterm-rows").getByText("login:").waitFor();
  await look_at(page, look, "tenant_serial_line");
}

// Ten thousand machines by keyboard alone: each row says which of how many it is, and few are there.
async function by_keyboard(browser) {
  kTenant.world = make_world({ machines: 10_000 });
  const page = await open(browser);
  await page.addInitScript(() => sessionStorage.setItem("bascule.token", "made up"));
  await page.goto(kTenant.url);
  await page.getByRole("grid").waitFor();
  must((await page.getByRole("grid").getAttribute("aria-rowcount")) === "10001", "the table says how many rows it has");
  await page.locator(".title .primary").focus();
  await page.keyboard.press("Tab");
  const focused = () => page.evaluate(() => {
    const row = document.activeElement;
    const { top, bottom } = row.getBoundingClientRect();
    return { number: Number(row.getAttribute("aria-rowindex")), seen: top >= -1 && bottom <= innerHeight + 1 };
  });
  for (const [key, number] of [["Home", 2], ["ArrowDown", 3], ["ArrowDown", 4], ["ArrowUp", 3], ["End", 10_001], ["ArrowDown", 10_001], ["ArrowUp", 10_000], ["Home", 2]]) {
    await page.keyboard.press(key);
    const here = await focused();
    must(here.number === number && here.seen, `after ${key} row ${here.number} is focused, ${here.seen ? "" : "not "}seen, rather than row ${number}`);
  }
  await page.keyboard.press("PageDown");
  must((await focused()).number > 10, "PageDown goes on by a page");
  await page.evaluate(() => scrollTo(0, 200_000));
  await page.locator('.rows [aria-rowindex="4548"]').waitFor();
  must((await focused()).number > 10, "scrolling leaves the focus where it is");
  must((await page.getByRole("row").count()) < 80, "only what is seen is there");
  await check_accessible(page, "ten thousand machines");
  await page.keyboard.press("Home");
  await page.keyboard.press("Enter");
  await page.locator("main h1").filter({ hasText: "backup-01" }).waitFor();
  await page.context().close();
  kTenant.world = kTenants;
  note("ten thousand machines by keyboard");
}

// A stream of events that falls silent is left, and closed: a browser has six connections to a portal.
async function by_silence(browser) {
  const page = await open(browser);
  await page.addInitScript(faster_timers, 200);
  await page.goto(`${kStaff.url}/noc`);
  await until("it has begun anew ten times", () => kStaff.asked.get("/v1/events") >= 10);
  await until("it has left the others", () => kStaff.listeners() <= 1);
  await page.context().close();
  note("silent streams are closed");
}

function grid() {
  const files = readdirSync(`${settings.pictures}/all`).sort();
  const names = [...new Set(files.map((file) => file.replace(/-\d+-\w+-\w+\.png$/, "")))];
  const figure = (file) => `<a href="all/${file}"><figure><img loading="lazy" src="all/${file}" alt="${file}"><figcaption>${file.match(/-(\d+-\w+-\w+)\.png$/)[1]}</figcaption></figure></a>`;
  const rows = names.map((name) => `<h2>${name}</h2><div>${files.filter((file) => file.replace(/-\d+-\w+-\w+\.png$/, "") === name).map(figure).join("")}</div>`);
  const style = "body{font:14px sans-serif}div{display:flex;flex-wrap:wrap;gap:8px}figure{margin:0}img{height:300px;border:1px solid #999}";
  writeFileSync(`${settings.pictures}/index.html`, `<!doctype html><meta charset="utf-8"><title>Pictures</title><style>${style}</style>${rows.join("\n")}`);
  note(`${files.length} pictures of ${names.length} pages and states: ${settings.pictures}/index.html`);
}

const browser = await start();
await by_keyboard(browser);
await by_silence(browser);
await in_every_look(browser, {}, sign_in_pages);
await in_every_look(browser, { token: "made up" }, async (page, look) => {
  settings.url = kTenant.url;
  await visit_all(page, look, tenant_pages, "shop-01", "tenant");
  for (const shot of shots.filter(({ portal }) => portal === kTenant)) await take(page, look, shot);
  await serial_line(page, look);
});
await in_every_look(browser, {}, async (page, look) => {
  settings.url = kStaff.url;
  await visit_all(page, look, staff_pages, "vm-00001", "staff");
  for (const shot of shots.filter(({ portal }) => portal === kStaff)) await take(page, look, shot);
});
for (const portal of [kTenant, kStaff]) {
  must(portal.unknown.size === 0, `tests/web/made_up.js knows nothing of ${[...portal.unknown].join(", ")}`);
  portal.close();
}
await browser.close();
grid();
