// An operator in the staff's portal: comes by certificate, sees a host die and its machine move, plans and approves the way home.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { check_accessible, check_width, must, note, open, picture, settings, start, until } from "./browser.js";

const lab = (...words) => execFileSync(settings.lab[0], [...settings.lab.slice(1), ...words], { encoding: "utf8" });
const browser = await start();
const certificate = { origin: settings.url, cert: readFileSync(settings.operator.certificate), key: readFileSync(settings.operator.key) };
const page = await open(browser, { clientCertificates: [certificate], ignoreHTTPSErrors: true });

await page.goto(settings.url);
await page.getByRole("heading", { name: "NOMINAL" }).waitFor();
must((await page.locator(".self .who").innerText()) === "alice", "she is known by her certificate");
const box = (name) => page.locator(".host").filter({ hasText: name });
await box("paris-1").locator("[data-vm]").first().waitFor();
await check_accessible(page, "the overview");
await picture(page, "overview");
note("alice is in, by certificate");

const wall = await page.context().newPage();
await wall.setViewportSize({ width: 1920, height: 1080 });
await wall.goto(`${settings.url}/noc`);
await wall.getByRole("heading", { name: "NOMINAL" }).waitFor();
await picture(wall, "noc");

const host = settings.host;
const machine = await box(host).locator("[data-vm]").first().innerText();
const crashed = Date.now();
lab("crash", host);
await until("its machine is drawn at the other site", async () => (await page.locator('section[aria-label="Site lyon"] [data-vm]').allInnerTexts()).includes(machine), 90_000);
note(`${machine} is seen at lyon after ${((Date.now() - crashed) / 1000).toFixed(1)} s`);
await page.waitForTimeout(1500);
must((await page.getByText("No connection to the manager").count()) === 0, "while much happens it is connected all the same");
await picture(page, "overview_after");
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
await card.locator(".title .state-refused").waitFor();
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
await page.locator("table").waitFor();
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
const audit = execFileSync(settings.bascule, ["audit", "list", "--limit", "200"], { encoding: "utf8" });
must(!audit.includes("test_notices"), `another site's page changes nothing (${answered})`);
await evil.setContent(`<iframe src="${settings.url}/" width="600" height="400"></iframe>`);
await evil.waitForTimeout(1000);
const framed = await evil.frames()[1]?.evaluate(() => document.body?.innerText ?? "").catch(() => "");
must(!/NOMINAL/.test(framed ?? ""), "nor shows ours in a frame");
note("CSRF and clickjacking are refused");

for (const at of ["/", "/machines", "/failback", "/incidents"])
  for (const width of [360, 1920]) {
    await page.setViewportSize({ width, height: 900 });
    await page.evaluate((to) => {
      history.pushState(null, "", to);
      dispatchEvent(new PopStateEvent("popstate"));
    }, at);
    await page.locator("main h1").waitFor();
    await page.locator('[aria-busy="true"]').first().waitFor({ state: "detached" });
    await check_width(page, `${at} at ${width}`);
    await picture(page, `all/staff${at.replaceAll("/", "_")}-${width}`);
  }
must(page.complaints.length === 0, page.complaints.join("\n"));
await browser.close();
