// Hosts that are made up: they say hello, beat, obey every order at once, and echo what is typed into a console.
//   hosts.js CONFIG.JSON     {"manager": "127.0.0.1", "port": 27444, "cluster": "load", "ca": …, "hosts": [{"name", "certificate", "key"}]}
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import WebSocket from "ws";

const config = JSON.parse(readFileSync(process.argv[2], "utf8"));
const ca = readFileSync(config.ca);
const clock_ms = () => Math.round(performance.now()) + 1_000_000;
const guard = { running: true, watchdog_armed: true, mode: "keep" };

function be(host) {
  const tls = { ca, cert: readFileSync(host.certificate), key: readFileSync(host.key) };
  const session = new WebSocket(`wss://${config.manager}:${config.port}/host-session`, tls);
  const say = (message) => session.readyState === WebSocket.OPEN && session.send(JSON.stringify(message));
  let sequence = 0;
  session.on("open", () =>
    say({
      type: "hello", protocol: 1, cluster: config.cluster, host: host.name, boot_id: randomUUID(), build: "made up",
      epoch: { id: "", number: 0 }, term: 0, capacity: { memory_mib: 1 << 30, vcpus: 1 << 20 }, guard, clock_ms: clock_ms(),
      domains: [], tombstones: [],
    }),
  );
  session.on("message", (text) => {
    const message = JSON.parse(text);
    if (message.type === "welcome") {
      setInterval(() => say({ type: "heartbeat", sequence: ++sequence, clock_ms: clock_ms(), guard, peers: [] }), message.heartbeat_ms);
    } else if (message.type === "command") {
      const starts = message.order.type === "start_vm";
      const vm = message.order.spec?.id ?? message.order.vm;
      say({ type: "command_reply", action: message.action, domain: { vm, generation: message.generation, state: starts ? "running" : "gone" } });
    } else if (message.type === "open_stream") {
      const line = new WebSocket(`wss://${config.manager}:${message.port}/stream/${message.stream}`, tls);
      line.on("message", (bytes) => line.send(bytes, { binary: true }));
      line.on("error", (error) => console.error(`${host.name}: a console: ${error.message}`));
    }
  });
  session.on("close", (code, why) => {
    console.error(`${host.name}: the session ended: ${code} ${why}`);
    process.exit(1);
  });
  session.on("error", (error) => console.error(`${host.name}: ${error.message}`));
}

config.hosts.forEach(be);
