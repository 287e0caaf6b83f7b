// An operator in the staff's portal: comes by smart card, sees a host die and its machine move, plans and approves the way
// home; and whom the portal doesn't let in.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { confirm_certificate, decline_pin, sit_down, type_pin } from "./card.js";
import { check_accessible, must, note, open, picture, settings, until } from "./browser.js";
import { few_looks, looks, staff_pages, visit_all, wear } from "./looks.js";

const lab = (...words) => execFileSync(settings.lab[0], [...settings.lab.slice(1), ...words], { encoding: "utf8" });
// Why Chromium shows no page; empty: it shows one.
const outcome = (visit) => visit.then(() => "", (error) => error.message);
const visit = (page) => outcome(page.goto(settings.url));
// With TLS 1.3 a manager's refusal and the end of the connection arrive together, and Chromium tells either.
const kRefused = /ERR_BAD_SSL_CLIENT_AUTH_CERT|ERR_SOCKET_NOT_CONNECTED/;

const other = await sit_down(settings.file);
const outside = await open(other.browser);
const file_shown = visit(outside);
await confirm_certificate(other, file_shown);
must(kRefused.test(await file_shown), `a key in a file lets nobody in: ${await file_shown}`);
await other.browser.close();
note("bob's key is in a file: refused");

const desk = await sit_down();
const locked = await open(desk.browser);
const mistyped = visit(locked);
await type_pin(desk, "0000");
await decline_pin(desk, mistyped);
must(kRefused.test(await mistyped), `without the PIN nobody is in: ${await mistyped}`);
await locked.context().close(); // which keeps that she gave none
note("a wrong PIN: asked again; none: refused");

const page = await open(desk.browser);
const typed = visit(page);
await type_pin(desk, settings.card.pin);
await confirm_certificate(desk, typed);
must((await typed) === "", `her card and her PIN let her in: ${await typed}`);
await page.getByRole("heading", { name: "NOMINAL" }).waitFor();
must((await page.locator(".self .who").innerText()) === "alice", "she is known by her card");
const box = (name) => page.locator(".host").filter({ hasText: name });
await box("paris-1").locator("[data-vm]").first().waitFor();
await check_accessible(page, "the overview");
await picture(page, "overview");
note("alice is in, by card and PIN");

const wall = await page.context().newPage();
await wall.setViewportSize({ width: 1920, height: 1080 });
await wall.goto(`${settings.url}/noc`);
await wall.getByRole("heading", { name: "NOMINAL" }).waitFor();
await picture(wall, "noc");

// What the wall shows changes with its source.
const on_the_wall = (words, there) => until(`the wall ${there ? "says" : "no longer says"} ${words}`, async () => (await wall.getByText(words).count()) > 0 === there, 120_000);
lab("bmc", "lyon-2", "dead");
lab("sms", "--set", "reject");
execFileSync(settings.bascule, ["notify", "test"], { stdio: "ignore" });
await on_the_wall("FENCING NOT READY", true);
await on_the_wall("sms FAILS", true);
await picture(wall, "noc_faults");
lab("bmc", "lyon-2", "ok");
lab("sms", "--set", "ok");
await on_the_wall("FENCING NOT READY", false);
await on_the_wall("sms: no failure", true);
await wall.getByRole("heading", { name: "NOMINAL" }).waitFor({ timeout: 120_000 });
note("a dead BMC and a dead gateway are seen on the wall, and their repair");

const host = settings.host;
const machine = await box(host).locator("[data-vm]").first().innerText();
const crashed = Date.now();
lab("crash", host);
await until("its machine is drawn at the other site", async () => (await page.locator('section[aria-label="Site lyon"] [data-vm]').allInnerTexts()).includes(machine), 90_000);
note(`${machine} is seen at lyon after ${((Date.now() - crashed) / 1000).toFixed(1)} s`);
await page.waitForTimeout(1500);
must((await page.getByText("No connection to the manager").count()) === 0, "while much happens it is connected all the same");
await picture(page, "overview_after");
await page.setViewportSize({ width: 1920, height: 1080 });
await picture(page, "overview_wide");
await page.setViewportSize({ width: 1280, height: 800 });
must((await wall.getByRole("heading", { name: "NOMINAL" }).count()) === 0, "the wall says that something is wrong");
await picture(wall, "noc_after");
must((await wall.evaluate(() => document.documentElement.scrollHeight - innerHeight)) <= 0, "all of the wall is on one screen");

await page.getByRole("navigation").getByRole("link", { name: "Incidents" }).click();
await page.locator("table a").first().click();
await page.locator("svg.timeline .vm_running").first().waitFor();
for (const what of ["suspect_host", "host_lost", "fence_host", "host_down", "start_vm", "vm_running", "notify"])
  must((await page.getByRole("cell", { name: what, exact: true }).count()) > 0, `${what} is in the incident's timeline`);
await check_accessible(page, "an incident");
await picture(page, "incident");
const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Save as one HTML file" }).click()]);
const saved = readFileSync(await download.path(), "utf8");
must(/^<!doctype html>/.test(saved) && saved.includes("<svg") && saved.includes("vm_running"), "the saved file has the picture and the words");
must(!/<script|src=|href="http/.test(saved), "and nothing that has to be fetched");
if (settings.pictures) await download.saveAs(`${settings.pictures}/incident.html`);
note("the incident is told on one time axis, and saved");

lab("heal", host);
await until("the host is back and cleared", () => {
  try {
    execFileSync(settings.bascule, ["host", "clear", host, "--reason", "its power is back"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}, 60_000);
await page.getByRole("navigation").getByRole("link", { name: "The way home" }).click();
await page.locator(".chips li").filter({ hasText: "lyon → paris" }).first().waitFor();
await check_accessible(page, "the way home");
await page.getByRole("button", { name: "Plan it" }).click();
await page.getByRole("dialog").getByRole("button", { name: "Plan it" }).click();
// For tonight, and after all not.
const card = page.locator(".card").first();
await card.getByRole("button", { name: "Approve" }).click();
await page.getByRole("dialog").getByLabel("Why").fill("tonight is quiet enough");
await page.getByRole("dialog").getByLabel("Not before").fill(new Date(Date.now() + 86_400_000).toISOString().slice(0, 16));
await page.getByRole("dialog").getByRole("button", { name: "Approve" }).click();
await card.locator(".state-approved").waitFor();
await picture(page, "approved_for_later");
await card.getByRole("button", { name: "Call it off" }).click();
await page.getByRole("dialog").getByLabel("Why").fill("the shop has a sale tonight");
await page.getByRole("dialog").getByRole("button", { name: "Call it off" }).click();
await card.locator(".title .state-called_off").waitFor();
note("approved for later, and called off");
await page.getByRole("button", { name: "Plan it" }).click();
await page.getByRole("dialog").getByRole("button", { name: "Plan it" }).click();
await page.getByRole("button", { name: "Approve" }).click();
await page.getByRole("dialog").getByLabel("Why").fill("paris has its power again");
await picture(page, "approve");
await page.getByRole("dialog").getByRole("button", { name: "Approve" }).click();
await page.locator(".card .state-done").first().waitFor({ timeout: 120_000 });
await page.getByText("Nothing is away from home.").waitFor();
await picture(page, "home_again");
note("planned, approved and carried home");

await page.getByRole("navigation").getByRole("link", { name: "Machines" }).click();
await page.getByRole("grid").waitFor();
must(!(await page.locator("main").innerText()).includes("acme/"), "no tenant's name without a reason");
await page.getByRole("button", { name: "Begin work for a tenant" }).click();
await page.getByRole("dialog").getByLabel("Tenant").fill("acme");
await page.getByRole("dialog").getByLabel("Why").fill("incident");
await page.getByRole("dialog").getByRole("button", { name: "Begin" }).click();
await page.getByRole("alert").waitFor();
await page.getByRole("dialog").getByLabel("Why").fill("looking why their shop is slow");
await check_accessible(page, "a reason");
await picture(page, "reason");
await page.getByRole("dialog").getByRole("button", { name: "Begin" }).click();
await page.getByText("acme/").first().waitFor();
await picture(page, "fleet");
note("a tenant's names are seen after a reason");

// Another site's page can ask for nothing in her name.
const notices_asked = () => execFileSync(settings.bascule, ["audit", "list", "--what", "test_notices"], { encoding: "utf8" });
const asked_before = notices_asked();
const evil = await page.context().newPage();
await evil.goto("data:text/html,<p>elsewhere</p>");
const answered = await evil.evaluate(async (url) => {
  try {
    await fetch(`${url}/v1/notices/test`, { method: "POST", mode: "no-cors", credentials: "include", body: "{}" });
    return "sent";
  } catch {
    return "not sent";
  }
}, settings.url);
must(notices_asked() === asked_before && asked_before !== "", `another site's page changes nothing (${answered})`);
await evil.setContent(`<iframe src="${settings.url}/" width="600" height="400"></iframe>`);
await evil.waitForTimeout(1000);
const framed = await evil.frames()[1]?.evaluate(() => document.body?.innerText ?? "").catch(() => "");
must(!/NOMINAL/.test(framed ?? ""), "nor shows ours in a frame");
note("CSRF and clickjacking are refused");

for (const look of few_looks) {
  await wear(page, look);
  await visit_all(page, look, staff_pages, machine, "staff");
}
await wear(page, looks.find(({ viewport, locale }) => viewport.width === 1280 && locale === "en"));
await page.goto(settings.url);
note("every page in three widths");
must(page.complaints.length === 0, page.complaints.join("\n"));

// Whoever reads this on the test's output revokes it (web_test.py).
await wall.close();
await evil.close();
const lost = page.getByText("No connection");
await lost.waitFor({ state: "detached", timeout: 30_000 });
const cut = page.waitForEvent("requestfailed", (request) => request.url().includes("/v1/events"));
note(settings.revoke);
const revoked = Date.now();
await cut;
await lost.waitFor();
const took = (Date.now() - revoked) / 1000;
must(took < 10, `what she has open ends within 10 s: ${took} s`);
await picture(page, "revoked");
note(`her card is revoked: cut off after ${took.toFixed(1)} s`);
const again = outcome(page.reload());
await confirm_certificate(desk, again);
must(kRefused.test(await again), `a revoked card lets nobody in: ${await again}`);
await desk.browser.close();
