// What tests/bench/pages measures in the browser.
import { gzipSync } from "node:zlib";
import { readdirSync, readFileSync } from "node:fs";
import { faster_timers, must, note, open, settings, start } from "./browser.js";
import { serve } from "./made_up.js";
import { entry, make_world, refresh } from "./made_up_world.js";

const kMiB = 1 << 20;
const kPerSecond = 500;
const kHostsEach = 40;
const kFaster = 200;
const kTurn_ms = 20;

const sorted = (values) => [...values].sort((a, b) => a - b);
const at = (values, part) => sorted(values)[Math.min(values.length - 1, Math.floor(values.length * part))];
const told = (values, digits = 0) => `median ${at(values, 0.5).toFixed(digits)} (${Math.min(...values).toFixed(digits)} to ${Math.max(...values).toFixed(digits)})`;

async function follow(page) {
  const session = await page.context().newCDPSession(page);
  await session.send("Performance.enable");
  return session;
}

async function figures(session) {
  const { metrics } = await session.send("Performance.getMetrics");
  return Object.fromEntries(metrics.map(({ name, value }) => [name, value]));
}

// What is left when garbage is gone.
async function held(session) {
  for (let i = 0; i < 3; i++) await session.send("HeapProfiler.collectGarbage");
  const { JSHeapUsedSize, Nodes, JSEventListeners } = await figures(session);
  return { heap: JSHeapUsedSize / kMiB, nodes: Nodes, listeners: JSEventListeners };
}
const words = ({ heap, nodes, listeners }) => `${heap.toFixed(2)} MiB, ${nodes} nodes, ${listeners} listeners`;

const frames_words = (frames) =>
  `frames ${frames.length}, median ${at(frames, 0.5).toFixed(1)} ms, p95 ${at(frames, 0.95).toFixed(1)} ms, p99 ${at(frames, 0.99).toFixed(1)} ms, longest ${Math.max(...frames).toFixed(0)} ms`;

const note_rows = () => {
  const look = new MutationObserver(() => {
    if (!document.querySelector('.rows [role="row"]')) return;
    window.rows_at = performance.now();
    look.disconnect();
  });
  look.observe(document, { childList: true, subtree: true });
};

// From the top to the end in 600 frames; how long each took.
const scroll_through = () =>
  new Promise((resolve) => {
    const frames = [];
    const whole = document.documentElement.scrollHeight - innerHeight;
    let before = 0;
    const step = (now) => {
      if (before) frames.push(now - before);
      before = now;
      if (frames.length === 600) return resolve(frames);
      scrollTo(0, (whole * (frames.length + 1)) / 600);
      requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  });

async function open_list(browser, slow) {
  const page = await open(browser);
  const session = await follow(page);
  if (slow) {
    await session.send("Network.enable");
    await session.send("Network.emulateNetworkConditions", { offline: false, latency: 150, downloadThroughput: 200_000, uploadThroughput: 100_000 });
    await session.send("Emulation.setCPUThrottlingRate", { rate: 4 });
  }
  page.setDefaultTimeout(300_000);
  await page.addInitScript((token) => sessionStorage.setItem("bascule.token", token), settings.token);
  await page.addInitScript(note_rows);
  await page.goto(settings.url);
  await page.locator('.rows [role="row"]').first().waitFor();
  const times = await page.evaluate(() => ({ painted: performance.getEntriesByName("first-contentful-paint")[0].startTime, rows: window.rows_at }));
  return { page, session, ...times };
}

async function list(browser) {
  const main = readdirSync(`${settings.pages}/assets`).find((file) => /^index-.*\.js$/.test(file));
  note(`main bundle: ${(gzipSync(readFileSync(`${settings.pages}/assets/${main}`), { level: 9 }).length / 1000).toFixed(1)} kB gzip`);
  const rounds = [];
  for (let round = 0; round < settings.rounds; round++) {
    const { page, session, painted, rows } = await open_list(browser, false);
    const elements = await page.evaluate(() => document.querySelectorAll("*").length);
    const frames = await page.evaluate(scroll_through);
    const rowcount = Number(await page.getByRole("grid").getAttribute("aria-rowcount"));
    must(rowcount === settings.machines + 1, `of ${settings.machines} machines the list has ${rowcount - 1}`);
    const last = await page.locator('.rows [role="row"]').last().getAttribute("aria-rowindex");
    must(Number(last) === rowcount, `it ends at row ${last}`);
    rounds.push({ painted, rows, elements, frames, ...(await held(session)) });
    await page.context().close();
  }
  const of = (name) => rounds.map((round) => round[name]);
  note(`first paint, ms: ${told(of("painted"))}`);
  note(`first rows, ms: ${told(of("rows"))}`);
  note(`elements of the document: ${told(of("elements"))}; heap, MiB: ${told(of("heap"), 1)}`);
  note(`a scroll's median frame, ms: ${told(rounds.map(({ frames }) => at(frames, 0.5)), 1)}; its p95: ${told(rounds.map(({ frames }) => at(frames, 0.95)), 1)}`);
  note(`all scrolls: ${frames_words(rounds.flatMap(({ frames }) => frames))}`);
  const { painted, rows } = await open_list(browser, true);
  note(`slow line and processor: first paint ${painted.toFixed(0)} ms, first rows ${rows.toFixed(0)} ms`);
}

// Some machine goes to another host, and is counted there.
function move_one(world, number) {
  const vm = world.vms[(number * 7919) % world.vms.length];
  vm.away = !vm.away;
  vm.host = `${vm.away ? "lyon" : "paris"}-${1 + (number % kHostsEach)}`;
  refresh(world);
}

async function storm_at(browser, path) {
  const portal = await serve({ pages: settings.pages, world: make_world({ machines: settings.machines, each: kHostsEach, tenant: false }), staff: true });
  const page = await open(browser);
  await page.goto(portal.url + path);
  await page.locator(path === "/" ? ".host" : '.rows [role="row"]').first().waitFor();
  const session = await follow(page);
  const before = await held(session);
  await page.evaluate(() => {
    window.frames = [];
    let before = performance.now();
    const step = (now) => (window.frames.push(now - before), (before = now), requestAnimationFrame(step));
    requestAnimationFrame(step);
  });
  const first = await figures(session);
  const began = performance.now();
  const asked = () => [...portal.asked.values()].reduce((all, one) => all + one, 0);
  const asked_before = asked();
  let number = 0;
  await new Promise((resolve) => {
    const timer = setInterval(() => {
      const seconds = (performance.now() - began) / 1000;
      for (; number < seconds * kPerSecond; number++) portal.say(entry(number + 1, Date.now(), portal.world.vms));
      if (number % 50 < kPerSecond * kTurn_ms / 1000) move_one(portal.world, number);
      if (seconds < settings.storm_s) return;
      clearInterval(timer);
      resolve();
    }, kTurn_ms);
  });
  const seconds = (performance.now() - began) / 1000;
  const last = await figures(session);
  const share = (name) => `${(((last[name] - first[name]) / seconds) * 100).toFixed(1)} %`;
  const frames = await page.evaluate(() => window.frames.splice(0));
  const answered = asked() - asked_before;
  const after = await held(session);
  note(`storm at ${path}: ${(number / seconds).toFixed(0)} events/s for ${seconds.toFixed(0)} s, ${(answered / seconds).toFixed(1)} requests/s`);
  note(`  main thread busy ${share("TaskDuration")} (scripts ${share("ScriptDuration")}, style ${share("RecalcStyleDuration")}, layout ${share("LayoutDuration")}); ${frames_words(frames)}`);
  note(`  before ${words(before)}; after ${words(after)}`);
  await page.context().close();
  portal.close();
}

// A page into which nothing but `send` looks: of the others Playwright has Chromium keep something of every request.
async function bare_page(browser, url, script) {
  const root = await browser.newBrowserCDPSession();
  const { targetId } = await root.send("Target.createTarget", { url: "about:blank" });
  const { sessionId } = await root.send("Target.attachToTarget", { targetId, flatten: false });
  const waiting = new Map();
  root.on("Target.receivedMessageFromTarget", ({ message }) => {
    const { id, result } = JSON.parse(message);
    waiting.get(id)?.(result);
    waiting.delete(id);
  });
  let last = 0;
  const send = (method, params = {}) =>
    new Promise((resolve, reject) => {
      waiting.set(++last, resolve);
      root.send("Target.sendMessageToTarget", { sessionId, message: JSON.stringify({ id: last, method, params }) }).catch(reject);
    });
  await send("Performance.enable");
  await send("Page.enable");
  await send("Page.addScriptToEvaluateOnNewDocument", { source: script });
  await send("Page.navigate", { url });
  return { send, close: () => root.send("Target.closeTarget", { targetId }) };
}

async function wall(browser) {
  const world = make_world({ machines: 400, each: 6, lost: null, tenant: false });
  const portal = await serve({ pages: settings.pages, world, staff: true });
  const page = await bare_page(browser, `${portal.url}/noc`, `(${faster_timers})(${kFaster})`);
  if (portal.listeners() === 0) await portal.next("/v1/events");
  const began = performance.now();
  const looks = [];
  for (let number = 1; number <= settings.events; number++) {
    move_one(world, number);
    if (number % 500 === 0) world.lost = world.lost ? null : "paris-2";
    if (number % 3600 === 0) portal.cut();
    const shown = portal.next("/v1/incidents");
    if (portal.listeners() === 0) await portal.next("/v1/events");
    portal.say(entry(number, Date.now(), world.vms));
    await shown;
    if ([0.02, 0.25, 0.5, 0.75, 1].some((part) => number === Math.round(settings.events * part))) {
      must(portal.listeners() <= 1, `${portal.listeners()} streams of events are open`);
      looks.push(await held(page));
      const { result } = await page.send("Runtime.evaluate", { expression: 'document.querySelector("h1").textContent' });
      note(`wall: after ${number} events: ${words(looks.at(-1))}; it says ${result.value}`);
    }
  }
  const asked = ["/v1/status", "/v1/hosts", "/v1/incidents"].map((path) => portal.asked.get(path));
  note(`wall: ${settings.events} events in ${((performance.now() - began) / 1000).toFixed(0)} s; status, hosts, incidents were asked for ${asked.join(", ")} times`);
  const [first, last] = [looks[0], looks.at(-1)];
  must(last.heap < first.heap + 0.3 && last.nodes < first.nodes * 1.2 && last.listeners <= first.listeners, `the wall grows: ${words(first)}, then ${words(last)}`);
  await page.close();
  portal.close();
}

const parts = { list, storm: async (browser) => (await storm_at(browser, "/"), await storm_at(browser, "/machines")), wall };
const browser = await start();
await parts[settings.part](browser);
await browser.close();
