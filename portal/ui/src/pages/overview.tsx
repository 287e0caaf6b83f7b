// Both sites side by side: hosts as boxes, filled by what their guests take, the machines inside. What moves is seen moving.
import { useEffect, useRef } from "preact/hooks";
import { get, segment } from "../api";
import { recent, useLive } from "../live";
import { Shown } from "../parts/basic";
import { follow } from "../router";
import { use } from "../signal";
import { busier, type Host, type Incident, rate, type Status } from "../staff";
import { useText, when } from "../text";

const kMostChips = 60; // of a host; beyond that their number tells more
const kMostMoves = 60; // at once
const kMostLines = 50; // of what wants somebody: of a lost site's thousands the first tell enough

function HostBox({ host }: { host: Host }) {
  const t = useText();
  const full = host.capacity.memory_mib > 0 ? Math.min(1, host.used.memory_mib / host.capacity.memory_mib) : 0;
  return (
    <article class={`host phase-${host.phase}`} data-host={host.id} aria-label={`${host.name}: ${host.phase}`}>
      <h3>
        {host.name} <span class={`state state-${host.phase === "up" ? "running" : "failed"}`}>{host.phase}</span>
      </h3>
      <div class="fill" role="meter" aria-label={t("overview.memory")} aria-valuemin={0} aria-valuemax={100} aria-valuenow={Math.round(full * 100)}>
        <span style={{ width: `${full * 100}%` }} />
      </div>
      <p class="quiet">
        {host.used.memory_mib} / {host.capacity.memory_mib} MiB, {host.used.vms} VM
        {host.network && `, ${t("overview.network", { now: rate(busier(host.network)), of: host.network.link_bytes ? rate(host.network.link_bytes) : "?" })}`}
      </p>
      {host.quarantined && <p class="warn">{t("overview.quarantined")}</p>}
      {host.fencing.state !== "ready" && <p class="warn">{host.fencing.because}</p>}
      {host.faults.map((fault) => (
        <p class="warn" key={fault}>
          {fault}
        </p>
      ))}
      <ul class="chips">
        {host.vms.slice(0, kMostChips).map((name) => (
          <li key={name} data-vm={name}>
            {name}
          </li>
        ))}
        {host.vms.length > kMostChips && <li>+{host.vms.length - kMostChips}</li>}
      </ul>
    </article>
  );
}

// Each machine that changed its host flies there, from the host that had it.
function useMoves(hosts: Host[]) {
  const place = useRef<HTMLDivElement>(null);
  const before = useRef(new Map<string, string>());
  useEffect(() => {
    const now = new Map(hosts.flatMap((host) => host.vms.map((name): [string, string] => [name, host.id])));
    const find = (what: "vm" | "host", name: string) => place.current?.querySelector(`[data-${what}="${CSS.escape(name)}"]`);
    const moved = [...now].filter(([name, host]) => (before.current.get(name) ?? host) !== host);
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    for (const [name] of calm ? [] : moved.slice(0, kMostMoves)) {
      const chip = find("vm", name);
      const from = find("host", before.current.get(name) ?? "")?.getBoundingClientRect();
      if (!chip || !from) continue;
      const here = chip.getBoundingClientRect();
      chip.animate(
        [{ transform: `translate(${from.x - here.x}px, ${from.y - here.y}px)`, boxShadow: "0 0 0 3px var(--accent)" }, { transform: "none" }],
        { duration: 1200, easing: "ease-in-out" },
      );
    }
    before.current = now;
  }, [hosts]);
  return place;
}

// What the storage carries to the other site, as an arrow that says how far behind it is.
function Replication({ status, site }: { status: Status; site: string }) {
  const t = useText();
  const one = status.replication.find(({ from }) => from === site);
  if (!one) return null;
  const behind = one.behind_ms === undefined ? "" : t("overview.behind", { s: (one.behind_ms / 1000).toFixed(1) });
  return (
    <p class={one.following === one.volumes ? "good" : "warn"}>
      <span aria-hidden="true">⇢ </span>
      {t("overview.replication", { following: one.following, n: one.volumes })} {behind}
    </p>
  );
}

function Sites({ hosts, status }: { hosts: Host[]; status: Status }) {
  const t = useText();
  const place = useMoves(hosts);
  const sites = [...new Set(hosts.map((host) => host.site))];
  return (
    <div class="sites" ref={place}>
      {sites.map((site) => (
        <section key={site} aria-label={`${t("machines.site")} ${site}`}>
          <h2>{site}</h2>
          <Replication status={status} site={site} />
          {hosts
            .filter((host) => host.site === site)
            .map((host) => (
              <HostBox key={host.id} host={host} />
            ))}
        </section>
      ))}
    </div>
  );
}

export function Attention({ status }: { status: Status }) {
  const t = useText();
  return (
    <>
      {status.attention.length > 0 && (
        <section>
          <h2>{t("overview.attention")}</h2>
          <ul class="plain">
            {status.attention.slice(0, kMostLines).map((one) => (
              <li key={one} class="warn">
                {one}
              </li>
            ))}
            {status.attention.length > kMostLines && <li>+{status.attention.length - kMostLines}</li>}
          </ul>
        </section>
      )}
      {status.not_automatic.length > 0 && (
        <section>
          <h2>{t("overview.not_automatic")}</h2>
          <ul class="plain">
            {status.not_automatic.map((one) => (
              <li key={one}>{one}</li>
            ))}
          </ul>
        </section>
      )}
    </>
  );
}

export function Overview() {
  const t = useText();
  const status = useLive(() => get<Status>("/v1/status"));
  const hosts = useLive(async () => (await get<{ items: Host[] }>("/v1/hosts")).items);
  const incidents = useLive(async () => (await get<{ items: Incident[] }>("/v1/incidents")).items);
  const happened = use(recent).slice(0, 30);
  return (
    <Shown of={status}>
      {(seen) => (
        <>
          <div class="title">
            <h1>{seen.word}</h1>
            <span class="quiet">
              {seen.cluster}: {t("overview.counts", { up: seen.counts["hosts_up"] ?? 0, hosts: seen.counts["hosts"] ?? 0, running: seen.counts["vms_running"] ?? 0, vms: seen.counts["vms"] ?? 0 })}
            </span>
          </div>
          <Shown of={hosts}>{(all) => <Sites hosts={all} status={seen} />}</Shown>
          <Attention status={seen} />
          <section>
            <h2>{t("overview.incidents")}</h2>
            <ul class="plain">
              {(incidents.value ?? [])
                .filter((one) => one.closed === undefined)
                .map((one) => (
                  <li key={one.id}>
                    <a href={`/incidents/${segment(one.id)}`} onClick={follow}>
                      {one.kind} {one.hosts.join(", ")}
                    </a>{" "}
                    <span class="quiet">{when(one.opened)}</span>{" "}
                    {t("overview.switched", { n: one.switched.length, all: one.vms.length })}
                  </li>
                ))}
            </ul>
          </section>
          <section>
            <h2>{t("machine.events")}</h2>
            {happened.length === 0 && <p class="quiet">{t("machine.no_events")}</p>}
            <ol class="plain events">
              {happened.map((entry) => (
                <li key={entry.number}>
                  <time class="quiet">{when(entry.at)}</time> <strong>{entry.what}</strong> {entry.subject} {entry.words}
                </li>
              ))}
            </ol>
          </section>
        </>
      )}
    </Shown>
  );
}
