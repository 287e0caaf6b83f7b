// A tenant's owner in the portal: makes a machine, works in its consoles, sees and ends who of the provider is at work.
import { execFileSync } from "node:child_process";
import { check_accessible, must, note, open, picture, settings, sign_in, start, until } from "./browser.js";
import { few_looks, in_every_look, tenant_pages, visit_all } from "./looks.js";

const browser = await start();
const page = await open(browser);
const bascule = (...words) => execFileSync(settings.bascule, words, { encoding: "utf8" });
const lab = (...words) => execFileSync(settings.lab[0], [...settings.lab.slice(1), ...words], { encoding: "utf8" });

await sign_in(page, settings.user, "not her password at all");
await page.getByRole("alert").waitFor();
await check_accessible(page, "signing in");
await picture(page, "sign_in");
await sign_in(page, settings.user, settings.password);
await page.getByRole("heading", { name: "Machines" }).waitFor();
await page.getByText("No machines yet.").waitFor();
const painted = await page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0].startTime);
note(`signed in; first paint after ${Math.round(painted)} ms`);

await page.getByRole("button", { name: "New machine" }).click();
const dialog = page.getByRole("dialog");
await dialog.getByLabel("Name").fill("shop-1");
await dialog.getByLabel("Image").selectOption("debian-12");
await dialog.getByLabel("Memory, MiB").fill("256");
await check_accessible(page, "a new machine");
await picture(page, "new_machine");
await dialog.getByRole("button", { name: "Make it" }).click();
await page.getByRole("heading", { name: "shop-1" }).waitFor();
await page.locator(".title .state-running").waitFor({ timeout: 60_000 });
await until("what happened is told", async () => (await page.locator(".events li").count()) > 0);
await check_accessible(page, "a machine");
note("made a machine");

async function open_console(kind) {
  await page.getByRole("button", { name: kind }).click();
  const asked = page.getByRole("dialog");
  await asked.getByLabel("Why").fill("a look at our new machine");
  if (await asked.getByLabel("Key (acme.key)").count()) {
    await asked.getByLabel("Key (acme.key)").setInputFiles(settings.key);
    await asked.getByLabel("Pin (acme.pin)").setInputFiles(settings.pin);
  }
  await check_accessible(page, `before the ${kind}`);
  await asked.getByRole("button", { name: kind }).click();
}

await open_console("Serial console");
const terminal = page.locator(".console.serial");
await terminal.locator(".xterm-rows").waitFor();
await until("a login prompt", async () => {
  await page.keyboard.press("Enter");
  return (await terminal.locator(".xterm-rows").innerText()).includes("login:");
}, 180_000);
await page.keyboard.type("nobody-here\n");
await until("what is typed reaches the guest", async () => (await terminal.locator(".xterm-rows").innerText()).includes("Password:"));
await picture(page, "serial");
await page.getByRole("button", { name: "Leave" }).click();
note("typed into the serial line");

await open_console("Screen");
const canvas = page.locator(".console.screen canvas");
await canvas.waitFor();
// How many of its points are not black.
const drawn = () =>
  canvas.evaluate((element) => {
    const { data } = element.getContext("2d").getImageData(0, 0, element.width, element.height);
    let bright = 0;
    for (let i = 0; i < data.length; i += 4) bright += data[i] + data[i + 1] + data[i + 2] > 60 ? 1 : 0;
    return bright;
  });
await until("the screen shows something", async () => (await drawn()) > 50, 30_000);
await picture(page, "screen");
await page.getByRole("button", { name: "Leave" }).click();
note("saw its screen");
await page.locator("figure canvas").first().waitFor({ timeout: 40_000 });
await picture(page, "machine");
note("what it uses is drawn");

// Somebody of the provider comes, is seen at once, and is thrown out.
const evil = "<img src=x onerror=alert(1)> and more words";
bascule("access", "open", "acme", "--category", "maintenance", "--reason", evil);
const came = Date.now();
await page.getByText(evil).first().waitFor({ timeout: 5000 });
note(`the provider's access is seen after ${((Date.now() - came) / 1000).toFixed(1)} s`);
await page.getByRole("link", { name: "Who works here" }).first().click();
await check_accessible(page, "who works here");
await picture(page, "access");
await page.getByRole("button", { name: "End it" }).click();
await page.getByText("Nobody at the moment.").waitFor();
note("and ended");

for (const [link, heading] of [
  ["People", "People"],
  ["Sessions and tokens", "Sessions and tokens"],
  ["Audit", "Audit"],
  ["Images", "Images"],
]) {
  await page.getByRole("navigation").getByRole("link", { name: link }).click();
  await page.getByRole("heading", { name: heading }).waitFor();
  await page.locator("table").first().waitFor();
  await check_accessible(page, heading);
  await picture(page, heading.split(" ")[0].toLowerCase());
}
await page.getByRole("navigation").getByRole("link", { name: "People" }).click();
await page.getByRole("button", { name: "Invite" }).click();
await page.getByRole("dialog").getByLabel("Name").fill("vera");
await page.getByRole("dialog").getByRole("button", { name: "Invite" }).click();
const invitation = await page.locator(".banner code").innerText();
note("invited vera");

// Who may only look is offered nothing else, and gets nothing else.
const veras = await open(browser);
await veras.goto(settings.url);
await veras.getByRole("button", { name: "I have an invitation" }).click();
await veras.getByLabel("Name", { exact: true }).fill("acme/vera");
await veras.getByLabel("Invitation").fill(invitation);
await veras.getByLabel("New password").fill(settings.password);
await veras.getByRole("button", { name: "Set the password" }).click();
await veras.getByRole("link", { name: "shop-1" }).click();
await veras.getByRole("heading", { name: "shop-1" }).waitFor();
must((await veras.locator("main .buttons button").count()) === 0, "vera is offered nothing");
must((await veras.getByRole("link", { name: "Audit" }).count()) === 0, "nor the audit");
const status = await veras.evaluate(async () => {
  const token = sessionStorage.getItem("bascule.token");
  const answer = await fetch("/v1/vms/shop-1/kill", {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify({ reason: "let me try it" }),
  });
  return answer.status;
});
must(status === 403, `asked directly she gets 403, not ${status}`);
must((await veras.context().cookies()).length === 0, "no cookie is ever set");
note("a viewer may look, and nothing else");

// Without the manager it says so, and goes on by itself.
await page.getByRole("navigation").getByRole("link", { name: "Machines" }).click();
lab("manager", "stop");
await page.getByText("No connection to your provider").waitFor();
await picture(page, "lost");
lab("manager", "start");
await page.getByText("No connection to your provider").waitFor({ state: "hidden" });
await page.getByRole("link", { name: "shop-1" }).waitFor();
note("lost and found the manager");

const token = await page.evaluate(() => sessionStorage.getItem("bascule.token"));
await in_every_look(browser, { token }, (each, look) => visit_all(each, look, tenant_pages, "shop-1", "tenant"), few_looks);
note("every page in three widths");
for (const each of [page, veras]) must(each.complaints.length === 0, each.complaints.join("\n"));
await browser.close();
