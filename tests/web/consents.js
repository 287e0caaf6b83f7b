// One of the provider's operators gets inside a delivered machine by what its tenant signs, is seen there, and is shown out.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { check_accessible, check_only_text, go, kEvil, must, note, open, picture, picture_all, settings, sign_in, start, until } from "./browser.js";

const browser = await start();
const certificate = { origin: settings.staff_url, cert: readFileSync(settings.operator.certificate), key: readFileSync(settings.operator.key) };
const page = await open(browser, { clientCertificates: [certificate], ignoreHTTPSErrors: true });
const annas = await open(browser);
await sign_in(annas, settings.user, settings.password);
await annas.getByRole("link", { name: "shop-1" }).waitFor();

const dialog = page.getByRole("dialog");
const reason = `${kEvil} why it's slow`;
const folder = mkdtempSync(join(tmpdir(), "grants-"));

async function begin(words) {
  await dialog.getByLabel("Why").waitFor();
  must((await dialog.getByLabel("Tenant").inputValue()) === "acme", "whose it is, is known");
  await dialog.getByLabel("Why").fill(words);
  await dialog.getByRole("button", { name: "Begin" }).click();
}

// Without a reason nothing of it is seen; with one it is, and the page goes on.
await page.goto(`${settings.staff_url}/machines`);
await page.evaluate(() => {
  const look = () => (window.said_lost ||= document.querySelector(".banner.warning[role=status]") !== null);
  new MutationObserver(look).observe(document.body, { subtree: true, childList: true });
});
await page.locator(`a[href="/machines/${settings.delivered}"]`).click();
await page.getByRole("heading", { name: "It is a tenant’s" }).waitFor();
must(!(await page.locator("body").innerText()).includes("shop-1"), "its name isn't told yet");
await check_accessible(page, "a reason first");
await picture(page, "reason_first");
await begin(reason);
await page.getByRole("heading", { name: "acme/shop-1" }).waitFor();
await page.getByRole("heading", { name: "What was decided, and why" }).waitFor();
const bar = page.getByRole("region", { name: "Your work for acme" });
must(/At work for acme, (59|60) min left/.test(await bar.innerText()), "how long it still lasts is on top");
must((await bar.innerText()).includes(kEvil), "and why, as text");
await go(page, "/failback");
await bar.waitFor();
await go(page, `/machines/${settings.delivered}`);
await page.locator(".events li").first().waitFor();
await check_accessible(page, "a machine, for the staff");
note("a reason opens the page, and stands on top of every other");

// A look is noted, and no note makes another look.
const looks = () => {
  const said = execFileSync(settings.bascule, ["--json", "audit", "list", "--limit", "1000", "--what", "look_at"], { encoding: "utf8" });
  return JSON.parse(said).items.length;
};
const looked = looks();
await page.waitForTimeout(3000);
must(looks() === looked, "an open page doesn't look again by itself");
note(`${looked} looks are noted, and no more come by themselves`);

async function try_console(words, file) {
  await page.getByRole("button", { name: "Serial console" }).first().click();
  await dialog.getByLabel("Why").fill(words);
  if (file) await dialog.getByLabel("What they sent (grant.json)").setInputFiles(file);
  await dialog.getByRole("button", { name: "Serial console" }).click();
}
await try_console(reason);
await dialog.getByRole("alert").filter({ hasText: "it is delivered to acme, who alone gets inside" }).waitFor();
await check_accessible(page, "a console that is refused");
await picture(page, "console_refused");
const command = await dialog.locator(".copy code").innerText();
note("the console of a delivered machine is refused, and it is told why and what to ask for");

// The tenant runs just what is to be copied.
execFileSync("bash", ["-c", command], {
  cwd: folder,
  env: { ...process.env, BASCULE_CONFIG: settings.tenant_config, PATH: `${dirname(settings.bascule)}:${process.env.PATH}` },
});
const grant = join(folder, "grant.json");
must(JSON.parse(readFileSync(grant, "utf8")).reason === reason, "the reason is signed as it was given");
const altered = join(folder, "altered.json");
writeFileSync(altered, readFileSync(grant, "utf8").replace("slow", "late"));
await dialog.getByLabel("What they sent (grant.json)").setInputFiles(altered);
await dialog.getByRole("button", { name: "Serial console" }).click();
await dialog.getByRole("alert").filter({ hasText: "not of that text" }).waitFor();
await dialog.getByLabel("What they sent (grant.json)").setInputFiles(grant);
await dialog.getByRole("button", { name: "Serial console" }).click();
const rows = page.locator(".console.serial .xterm-rows");
await rows.waitFor();
await until("a login prompt", async () => {
  await page.keyboard.press("Enter");
  return (await rows.innerText()).includes("login:");
}, 180_000);
await page.keyboard.type("nobody-here\n");
await until("what is typed reaches the guest", async () => (await rows.innerText()).includes("Password:"));
await picture(page, "console_granted");
note("with what the tenant signed it opens");

// She sees who it is, and ends it.
await annas.getByText("alice of your provider is at work here").waitFor();
await annas.getByRole("link", { name: "Who works here" }).first().click();
await annas.getByText(reason).first().waitFor();
await check_only_text(annas, "who works here");
await picture(annas, "access_seen");
const over = page.getByText("It has ended:");
const ended = Date.now();
await annas.getByRole("button", { name: "End it" }).click();
await over.waitFor({ timeout: 5000 });
note(`the tenant ends it: the stream is dead after ${((Date.now() - ended) / 1000).toFixed(2)} s`);
await bar.waitFor({ state: "detached" });
await picture(page, "console_ended");
await page.getByRole("button", { name: "Leave" }).click();
await begin("once more the same file");
await page.getByRole("heading", { name: "acme/shop-1" }).waitFor();
await try_console("once more the same file", grant);
await page.getByText(/It has ended: .*used before/).waitFor();
await page.getByRole("button", { name: "Leave" }).click();
note("it opens once");

// In preparation it is the provider's to work in.
await go(page, `/machines/${settings.prepared}`);
await page.getByRole("heading", { name: "acme/web-1" }).waitFor();
await try_console("the last look before delivery");
await page.locator(".console.serial .xterm-rows").waitFor();
await until("it is open", async () => (await over.count()) === 0 && (await page.locator(".console.serial").count()) === 1);
await page.getByRole("button", { name: "Leave" }).click();
await page.getByRole("button", { name: "Cut its power" }).click();
await dialog.getByLabel("Why").fill("too short");
await dialog.getByRole("button", { name: "Cut its power" }).click();
await page.locator(".title .state-stopped").waitFor();
await page.getByRole("button", { name: "Resize" }).click();
await dialog.getByLabel("Memory, MiB").fill("80");
await picture(page, "staff_resize");
await dialog.getByRole("button", { name: "Resize" }).click();
await page.getByText("80 MiB", { exact: true }).waitFor();
await page.getByRole("button", { name: "Start", exact: true }).click();
await dialog.getByRole("button", { name: "Start" }).click();
await page.locator(".title .state-running").waitFor();
await page.locator(".events li").filter({ hasText: "change_vm" }).first().waitFor();
const before = looks();
await page.getByRole("button", { name: "Look again" }).click();
await until("she looks again", () => looks() > before);
note("a machine in preparation is worked in");

await page.locator("figure canvas, section .quiet").first().waitFor();
await picture_all(page, `/machines/${settings.delivered}`, "staff_machine");
await picture_all(page, `/machines/${settings.prepared}`, "staff_prepared");
await check_only_text(page, "the staff's pages");
await bar.getByRole("button", { name: "End it" }).click();
await bar.waitFor({ state: "detached" });
await page.getByRole("heading", { name: "It is a tenant’s" }).waitFor();
must(!(await page.evaluate(() => window.said_lost)), "the manager was never said to be lost");
note("she ends it herself, and sees no more");
for (const each of [page, annas]) {
  must((await each.context().cookies()).length === 0, "no cookie is ever set");
  must(each.complaints.length === 0, each.complaints.join("\n"));
}
await browser.close();
