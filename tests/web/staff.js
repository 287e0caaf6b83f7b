// An operator in the staff's portal: comes by certificate, sees a host die and its machine move, plans and approves the way home.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { check_accessible, must, note, open, picture, settings, start, until } from "./browser.js";
import { in_every_look, staff_pages, visit_all } from "./looks.js";

const lab = (...words) => execFileSync(settings.lab[0], [...settings.lab.slice(1), ...words], { encoding: "utf8" });
const browser = await start();
const certificate = { origin: settings.url, cert: readFileSync(settings.operator.certificate), key: readFileSync(settings.operator.key) };
const by_certificate = { clientCertificates: [certificate], ignoreHTTPSErrors: true };
const page = await open(browser, by_certificate);

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
await picture(page, "overview_after");
await page.setViewportSize({ width: 1920, height: 1080 });
await picture(page, "overview_wide");
await page.setViewportSize({ width: 1280, height: 800 });
must((await wall.getByRole("heading", { name: "NOMINAL" }).count()) === 0, "the wall says that something is wrong");
await picture(wall, "noc_after");
must((await wall.evaluate(() => document.documentElement.scrollHeight - innerHeight)) <= 0, "all of the wall is on one screen");

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

await in_every_look(browser, by_certificate, (each, look) => visit_all(each, look, staff_pages, "", "staff"));
note("every page in three widths, two themes and two languages");
must(page.complaints.length === 0, page.complaints.join("\n"));
await browser.close();
