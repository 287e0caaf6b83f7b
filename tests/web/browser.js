// Chromium, and what every script asks of a page.
import { createHash, X509Certificate } from "node:crypto";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

export const settings = JSON.parse(readFileSync(process.argv[2], "utf8"));
if (settings.pictures) mkdirSync(settings.pictures, { recursive: true });

const pages = [];

export function must(condition, words) {
  if (!condition) throw new Error(words);
}

export function note(words) {
  console.log(words);
}

// Trusts the portal's own key, and nothing else that an authority unknown to it has signed.
export async function start(options = {}) {
  const args = ["--no-sandbox", "--disable-gpu"];
  if (settings.certificate) {
    const key = new X509Certificate(readFileSync(settings.certificate)).publicKey.export({ type: "spki", format: "der" });
    args.push(`--ignore-certificate-errors-spki-list=${createHash("sha256").update(key).digest("base64")}`);
  }
  return chromium.launch({ executablePath: "/usr/bin/chromium", args, ...options });
}

// A page that may not say anything wrong: errors of its scripts, refused resources, and dialogs that a text made.
export async function open(browser, options = {}) {
  const context = await browser.newContext({ locale: "en", viewport: { width: 1280, height: 800 }, ...options });
  const page = await context.newPage();
  pages.push(page);
  page.complaints = [];
  page.on("pageerror", (error) => page.complaints.push(`script: ${error.message}`));
  page.on("dialog", (dialog) => {
    page.complaints.push(`a dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on("console", (message) => {
    if (/Content Security Policy|violates/.test(message.text())) page.complaints.push(message.text());
  });
  page.setDefaultTimeout(60_000); // of a machine that does much else, too
  return page;
}

// For a page's own script: its time goes by so many times as fast.
export const faster_timers = (faster) => {
  for (const name of ["setTimeout", "setInterval"]) {
    const real = window[name];
    window[name] = (call, ms = 0) => real(call, ms / faster);
  }
};

export async function sign_in(page, user, password) {
  await page.goto(settings.url);
  await page.getByLabel("Name", { exact: true }).fill(user);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Sign in" }).click();
}

// WCAG 2.2 AA, as far as axe can tell.
export async function check_accessible(page, where) {
  await page.evaluate(axe);
  const found = await page.evaluate(() =>
    window.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"] }),
  );
  const words = found.violations.map((one) => `${one.id}: ${one.help}: ${one.nodes.map((node) => node.html.slice(0, 120)).join(" | ")}`);
  must(words.length === 0, `axe at ${where}: ${words.join("\n")}`);
}

export async function picture(page, name, how = {}) {
  if (settings.pictures) await page.screenshot({ path: `${settings.pictures}/${name}.png`, ...how });
}

// Nothing is wider than the window.
export async function check_width(page, where) {
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  must(wide <= 0, `${where}: ${wide} px wider than the window`);
}

// Words that would be markup, were they ever taken for it.
export const kEvil = "<img src=x onerror=alert(1)>";

export async function check_only_text(page, where) {
  must((await page.locator('img[src="x"]').count()) === 0, `${where}: words became markup`);
}

// To another page of ours, without loading all of it anew.
export async function go(page, at) {
  await page.evaluate((to) => {
    history.pushState(null, "", to);
    dispatchEvent(new PopStateEvent("popstate"));
  }, at);
  await page.locator("main h1").first().waitFor();
  await page.locator('[aria-busy="true"]').first().waitFor({ state: "detached" });
}

// In two widths, two themes and two languages.
export async function picture_all(page, at, name) {
  for (const width of [360, 1280])
    for (const scheme of ["light", "dark"])
      for (const words of ["Français", "English"]) {
        await page.setViewportSize({ width, height: 800 });
        await page.emulateMedia({ colorScheme: scheme });
        const other = page.getByRole("button", { name: words, exact: true });
        if (await other.count()) await other.evaluate((button) => button.click()); // behind a dialog, too
        if (at) await go(page, at);
        const where = `${name}-${width}-${scheme}-${words.slice(0, 2).toLowerCase()}`;
        await check_width(page, where);
        await check_accessible(page, where);
        await picture(page, `all/${where}`, { fullPage: at !== "" });
      }
  await page.setViewportSize({ width: 1280, height: 800 });
}

export async function until(what, look, bound_ms = 20_000) {
  const end = Date.now() + bound_ms;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() >= end) await Promise.all(pages.filter((page) => !page.isClosed()).map((page, number) => picture(page, `failed-${number}`)));
    must(Date.now() < end, `${what}: not within ${bound_ms / 1000} s`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
