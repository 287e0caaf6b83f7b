// What a tenant's owner looks after: a delivery, the second factor, roles, the quota, who worked for them.
import { createHmac } from "node:crypto";
import { check_accessible, check_only_text, must, note, open, picture, picture_all, settings, sign_in, start } from "./browser.js";

const browser = await start();
const page = await open(browser);
const dialog = page.getByRole("dialog");

// RFC 6238 of the secret that an authenticator app was given.
function code_of(secret) {
  const bits = [...secret].map((letter) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(letter).toString(2).padStart(5, "0")).join("");
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => Number.parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000)));
  const hash = createHmac("sha1", key).update(counter).digest();
  return String((hash.readUInt32BE(hash[19] & 15) & 0x7fffffff) % 1_000_000).padStart(6, "0");
}

await sign_in(page, settings.user, settings.password);
await page.getByRole("button", { name: "New machine" }).click();
await dialog.getByText("of 3 are used").first().waitFor();
await check_accessible(page, "the quota");
await picture(page, "quota");
await picture_all(page, "", "quota");
await dialog.getByRole("button", { name: "Cancel" }).click();
note("the quota is shown where machines are made");

await page.getByRole("link", { name: "web-1" }).click();
await page.getByRole("button", { name: "Accept delivery" }).click();
const accept = dialog.getByRole("button", { name: "Accept delivery" });
must(await accept.isDisabled(), "it isn't accepted in passing");
await check_accessible(page, "a delivery");
await picture_all(page, "", "accept");
await dialog.getByLabel("I have looked at it").check();
await dialog.getByLabel("Key (acme.key)").setInputFiles(settings.other_key);
await dialog.getByLabel("Pin (acme.pin)").setInputFiles(settings.pin);
await accept.click();
await dialog.getByRole("alert").filter({ hasText: "no pin of it" }).waitFor();
await dialog.getByLabel("Key (acme.key)").setInputFiles(settings.key);
await accept.click();
await dialog.waitFor({ state: "detached" });
await page.getByText("yes: your tenant alone gets inside").waitFor();
note("a delivery is accepted, once the key and its pin were seen to belong together");

await page.locator("header a.who").click();
await page.getByRole("button", { name: "Set up a second factor" }).click();
await dialog.getByRole("img", { name: "QR code" }).waitFor();
await check_accessible(page, "a second factor");
await picture_all(page, "", "factor_set");
const secret = await dialog.locator(".copy code").innerText();
must((await dialog.getByRole("link").getAttribute("href")).startsWith("otpauth://totp/"), "an app can be opened by a link");
await dialog.getByLabel("Code that it shows now").fill("000000");
await dialog.getByRole("button", { name: "Set it" }).click();
await dialog.getByRole("alert").waitFor();
await dialog.getByLabel("Code that it shows now").fill(code_of(secret));
await dialog.getByRole("button", { name: "Set it" }).click();
await page.getByText("10 recovery codes are left").waitFor();
const codes = await page.locator(".codes code").allInnerTexts();
must(codes.length === 10, "ten recovery codes are shown");
await picture_all(page, "", "factor_codes");
await page.reload();
await page.getByText("10 recovery codes are left").waitFor();
must((await page.locator(".codes").count()) === 0, "they are shown once");
await page.getByRole("button", { name: "Sign out" }).click();
await sign_in(page, settings.user, settings.password);
await page.getByRole("alert").waitFor();
await page.getByLabel("Code", { exact: true }).fill(codes[0]);
await page.getByRole("button", { name: "Sign in" }).click();
await page.getByRole("heading", { level: 1 }).first().waitFor();
await page.locator("header a.who").click();
await page.getByText("9 recovery codes are left").waitFor();
await picture_all(page, "/me", "me");
await page.getByRole("button", { name: "Remove it" }).click();
await dialog.getByLabel("Code of the second factor you have").fill(codes[0]);
await dialog.getByRole("button", { name: "Remove it" }).click();
await dialog.getByRole("alert").waitFor();
await dialog.getByLabel("Code of the second factor you have").fill(codes[1]);
await dialog.getByRole("button", { name: "Remove it" }).click();
await page.getByText("There is none").waitFor();
note("a second factor is set, asked for, and removed");

await page.getByRole("link", { name: "People" }).click();
await page.getByRole("button", { name: "New role" }).click();
await dialog.getByLabel("Name").fill("night");
await dialog.getByLabel("start and stop").check();
await check_accessible(page, "a role");
await picture(page, "role");
await dialog.getByRole("button", { name: "Save" }).click();
await page.getByRole("row", { name: "night start and stop" }).waitFor();
await page.getByRole("button", { name: "Invite" }).click();
await dialog.getByLabel("Name").fill("nils");
await dialog.getByLabel("night").check();
await dialog.getByLabel("viewer").uncheck();
await dialog.getByRole("button", { name: "Invite" }).click();
await page.getByRole("row", { name: "nils night invited" }).waitFor();
await page.getByRole("row", { name: "night start and stop" }).getByRole("button", { name: "Remove" }).click();
await dialog.getByRole("button", { name: "Remove" }).click();
await dialog.getByRole("alert").waitFor();
await dialog.getByRole("button", { name: "Cancel" }).click();
await page.getByRole("row", { name: "night start and stop" }).getByRole("button", { name: "Change" }).click();
await dialog.getByLabel("see machines").check();
await dialog.getByRole("button", { name: "Save" }).click();
await page.getByRole("row", { name: "night see machines, start and stop" }).or(page.getByRole("row", { name: "night start and stop, see machines" })).waitFor();
await picture_all(page, "/people", "people");
note("a role of their own is made, given and changed");

await page.getByRole("navigation").getByRole("link", { name: "Who works here" }).click();
await page.getByRole("heading", { name: "Who worked here" }).waitFor();
await page.getByRole("row", { name: /alice/ }).first().waitFor();
await check_only_text(page, "the report");
await picture_all(page, "/access", "report");
note("who worked for them is added up");
must(page.complaints.length === 0, page.complaints.join("\n"));
await browser.close();
