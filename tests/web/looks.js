// The pages, and every look they have: three widths, two themes, two languages.
import { existsSync, readdirSync } from "node:fs";
import { check_accessible, check_width, must, open, picture, settings } from "./browser.js";

// By the source that draws them, so that none is forgotten: `machine` stands for one that is there.
export const tenant_pages = {
  "machines.tsx": ["/"],
  "machine.tsx": ["/machines/machine"],
  "console.tsx": ["/machines/machine/serial"],
  "images.tsx": ["/images"],
  "people.tsx": ["/people"],
  "access.tsx": ["/access"],
  "audit.tsx": ["/audit"],
  "tokens.tsx": ["/tokens"],
  "me.tsx": ["/me"],
};
export const staff_pages = {
  "overview.tsx": ["/"],
  "fleet.tsx": ["/machines"],
  "staff_machine.tsx": ["/machines/machine"],
  "failback.tsx": ["/failback"],
  "incidents.tsx": ["/incidents"],
  "noc.tsx": ["/noc"],
};
const signing_in = ["sign_in.tsx"];

const kSources = "../../portal/ui/src/pages";
const known = [...Object.keys(tenant_pages), ...Object.keys(staff_pages), ...signing_in];
for (const source of readdirSync(kSources)) must(known.includes(source), `portal/ui/src/pages/${source} stands in no list of tests/web/looks.js`);
for (const source of known) must(existsSync(`${kSources}/${source}`), `tests/web/looks.js has ${source}, which is no page`);

const kSizes = [[360, 740], [1280, 800], [1920, 1080]];
export const looks = kSizes.flatMap(([width, height]) =>
  ["light", "dark"].flatMap((colorScheme) => ["en", "fr"].map((locale) => ({ viewport: { width, height }, colorScheme, locale }))),
);

// For what is slow: each width, theme and language once at least.
export const few_looks = looks.filter(({ viewport: { width }, colorScheme, locale }) =>
  [[360, "dark", "fr"], [1280, "light", "en"], [1920, "dark", "en"]].some(([w, c, l]) => w === width && c === colorScheme && l === locale),
);

// `visit(page, look)` in each; a page of its own, with what `options` a context needs and `token`, if that is how one comes.
export async function in_every_look(browser, { token, ...options }, visit, which = looks) {
  for (const look of which) {
    const page = await open(browser, { ...look, ...options });
    if (token) await page.addInitScript((held) => sessionStorage.setItem("bascule.token", held), token);
    await visit(page, look);
    must(page.complaints.length === 0, page.complaints.join("\n"));
    await page.context().close();
  }
}

// The same page in another look, from its next visit on.
export async function wear(page, { viewport, colorScheme, locale }) {
  await page.setViewportSize(viewport);
  await page.emulateMedia({ colorScheme });
  await page.evaluate((words) => localStorage.setItem("bascule.language", words), locale);
}

// It fits, whoever reads it. A picture is of the whole page, but for what belongs to the window: a dialog, rows of a long list.
export async function look_at(page, look, name) {
  const { viewport, colorScheme, locale } = look;
  await check_width(page, `${name} at ${viewport.width}`);
  if (viewport.width === 360) await check_accessible(page, `${name} ${colorScheme} ${locale}`);
  const fullPage = (await page.locator("dialog[open], [role=grid]").count()) === 0;
  await picture(page, `all/${name}-${viewport.width}-${colorScheme}-${locale}`, { fullPage });
}

async function visit(page, look, url, name) {
  await page.goto(url);
  await page.locator("main h1, dialog[open] h2").first().waitFor();
  await page.locator('[aria-busy="true"]').first().waitFor({ state: "detached" });
  await look_at(page, look, name);
}

export const named = (at) => at.replaceAll("/", "_").replace(/_$/, "");

// All pages of a portal, named by their paths.
export async function visit_all(page, look, pages, machine, portal) {
  for (const at of Object.values(pages).flat()) {
    const path = at.replace("/machines/machine", `/machines/${machine}`);
    await visit(page, look, settings.url + path, `${portal}${named(at)}`);
  }
}
