// A crowd at the portal: open consoles, connections that say nothing, and some that say it a byte at a time.
//   crowd.js URL CA TOKENS SOCKETS IDLE SLOW     TOKENS: a file with "token machine" lines, of which the first SOCKETS open a console
// Says "ready" once all are there, and what became of them when its standard input ends.
import { readFileSync } from "node:fs";
import https from "node:https";
import tls from "node:tls";
import WebSocket from "ws";

const [url, caFile, tokens, sockets, idle, slow] = process.argv.slice(2);
const ca = readFileSync(caFile);
const { hostname: host, port } = new URL(url);
const agent = new https.Agent({ ca, keepAlive: true, maxSockets: 8 });
const pairs = readFileSync(tokens, "utf8").trim().split("\n").map((line) => line.split(" ")).slice(0, Number(sockets));
const seen = { consoles: 0, consolesLost: 0, echoes: [], idle: 0, idleClosed: 0, slow: 0, slowClosed: 0 };

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

function ticket(token, vm) {
  return new Promise((resolve, reject) => {
    const body = JSON.stringify({ kind: "serial", reason: "one of a crowd here" });
    const headers = { authorization: `Bearer ${token}`, "content-type": "application/json", "content-length": Buffer.byteLength(body) };
    const request = https.request(`${url}/v1/vms/${vm}/console`, { method: "POST", agent, headers }, (answer) => {
      let text = "";
      answer.on("data", (part) => (text += part));
      answer.on("end", () => {
        if (answer.statusCode === 201) return resolve(JSON.parse(text).path);
        if (answer.statusCode === 429) return pause(1000 * Number(answer.headers["retry-after"] ?? 1)).then(() => resolve(ticket(token, vm)));
        return reject(new Error(`${answer.statusCode} ${text}`));
      });
    });
    request.on("error", reject);
    request.end(body);
  });
}

async function open_console([token, vm]) {
  const socket = new WebSocket(url.replace("https", "wss") + (await ticket(token, vm)), { ca });
  await new Promise((resolve, reject) => {
    socket.once("open", resolve);
    socket.once("error", reject);
  });
  seen.consoles++;
  let sent = 0;
  socket.on("message", () => seen.echoes.push(performance.now() - sent));
  socket.on("close", () => seen.consolesLost++);
  socket.on("error", () => {});
  const type = () => {
    sent = performance.now();
    if (socket.readyState === WebSocket.OPEN) socket.send("x");
  };
  setTimeout(() => setInterval(type, 1000), Math.random() * 1000);
}

function say_nothing(kind) {
  return new Promise((resolve) => {
    const socket = tls.connect({ host, port, ca }, () => {
      seen[kind]++;
      resolve(socket);
    });
    socket.on("close", () => seen[`${kind}Closed`]++);
    socket.on("error", resolve);
  });
}

async function say_slowly() {
  const socket = await say_nothing("slow");
  const text = "GET /v1/vms HTTP/1.1\r\nhost: here\r\nx-long: " + "a".repeat(100000);
  let at = 0;
  setInterval(() => socket.writable && socket.write(text[at++]), 1000);
}

async function all(count, make, together) {
  for (let done = 0; done < count; done += together)
    await Promise.all(Array.from({ length: Math.min(together, count - done) }, (_, i) => make(done + i)));
}

await all(pairs.length, (i) => open_console(pairs[i]), 16);
await all(Number(idle), () => say_nothing("idle"), 64);
await all(Number(slow), say_slowly, 64);
console.log("ready");
process.stdin.resume();
process.stdin.on("end", () => {
  const echoes = seen.echoes.sort((a, b) => a - b);
  const at = (part) => Math.round(10 * (echoes[Math.floor(echoes.length * part)] ?? 0)) / 10;
  console.log(JSON.stringify({ ...seen, echoes: echoes.length, echo_median_ms: at(0.5), echo_p99_ms: at(0.99) }));
  process.exit(0);
});
