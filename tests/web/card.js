// An operator's desk: a screen, a Chromium of its own that knows the cards' module, and hands that answer what Chromium
// itself asks, which no script of a page can see.
import { execFile, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { settings, start, until } from "./browser.js";

const run = promisify(execFile);

// One for all desks, until the script ends.
async function screen() {
  const server = spawn("Xvfb", ["-displayfd", "3", "-screen", "0", "1920x1200x24", "-nolisten", "tcp"], {
    stdio: ["ignore", "ignore", "inherit", "pipe"],
  });
  server.unref();
  process.on("exit", () => server.kill());
  for await (const number of createInterface(server.stdio[3])) return `:${number}`;
  throw new Error("Xvfb has ended");
}
const display = await screen();

// Chromium finds its user's certificates in the NSS database of their home: the card's, or one whose key is in a file.
async function keep_certificates(home, env, files) {
  const database = `sql:${join(home, ".pki/nssdb")}`;
  mkdirSync(join(home, ".pki/nssdb"), { recursive: true });
  await run("certutil", ["-N", "-d", database, "--empty-password"]);
  if (!files) return run("modutil", ["-force", "-dbdir", database, "-add", "cards", "-libfile", settings.card.module], { env });
  const both = join(home, "both.p12");
  await run("openssl", ["pkcs12", "-export", "-in", files.certificate, "-inkey", files.key, "-out", both, "-passout", "pass:"]);
  return run("pk12util", ["-d", database, "-i", both, "-W", ""]);
}

// `files`: {certificate, key} of somebody who has no card.
export async function sit_down(files) {
  const home = mkdtempSync(join(tmpdir(), "bascule-desk-"));
  process.on("exit", () => rmSync(home, { recursive: true, force: true }));
  const env = { PATH: process.env.PATH, HOME: home, DISPLAY: display, LANG: "C.UTF-8", SOFTHSM2_CONF: settings.card.tokens };
  await keep_certificates(home, env, files);
  return { env, browser: await start({ headless: false, env }) };
}

// What xdotool says; nothing where it finds nothing, which it calls a failure.
const hands = (desk, ...words) => run("xdotool", words, { env: desk.env }).then(({ stdout }) => stdout.trim(), () => "");

// The window that asks for the PIN and gets what is typed; none: "".
async function asking(desk) {
  const found = await hands(desk, "search", "--onlyvisible", "--name", "^Unlock Security Device$");
  return found === (await hands(desk, "getwindowfocus", "-f")) ? found : "";
}

async function until_over(visit, act) {
  let over = false;
  const ended = () => (over = true);
  visit.then(ended, ended);
  await until("Chromium has shown a page, or why it doesn't", async () => over || (await act(), false));
}

export async function type_pin(desk, pin) {
  await until("Chromium asks for the PIN", () => asking(desk));
  await hands(desk, "type", pin);
  await hands(desk, "key", "Return");
}

// However often it asks.
export function decline_pin(desk, visit) {
  return until_over(visit, async () => (await asking(desk)) && hands(desk, "key", "Escape"));
}

// The list of certificates is no window that could be waited for; and Enter says nothing to a page.
export function confirm_certificate(desk, visit) {
  return until_over(visit, () => hands(desk, "key", "Return"));
}
