// The wall: one screen, read from 5 m, touched by nobody.
import { useEffect, useState } from "preact/hooks";
import { get } from "../api";
import { connected, useLive } from "../live";
import { use } from "../signal";
import { busier, type Host, type Incident, rate, type Status } from "../staff";
import { useText } from "../text";

function age(ms: number): string {
  const minutes = Math.max(0, Math.floor((Date.now() - ms) / 60_000));
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

function Count({ words, n, bad }: { words: string; n: number; bad: boolean }) {
  return (
    <div class={`count ${bad && n > 0 ? "bad" : "good"}`}>
      <strong>{n}</strong>
      <span>{words}</span>
    </div>
  );
}

// How much of a site's links is in use, where their hosts tell what those carry.
function Links({ hosts }: { hosts: Host[] }) {
  const t = useText();
  const measured = hosts.flatMap((host) => (host.network && host.network.link_bytes > 0 ? [host.network] : []));
  const most = Math.max(0, ...measured.map((network) => busier(network) / network.link_bytes));
  if (measured.length === 0) return <span class="quiet">{t("noc.unmeasured")}</span>;
  return (
    <span class={most > 0.8 ? "bad" : "quiet"}>
      {t("noc.links", { now: rate(measured.reduce((all, each) => all + busier(each), 0)), most: Math.round(most * 100) })}
    </span>
  );
}

function Channels({ status }: { status: Status }) {
  const t = useText();
  if (status.channels.length === 0) return <p class="bad">{t("noc.nobody_told")}</p>;
  return (
    <p class="channels">
      {status.channels.map(({ name, problem }) => (
        <span key={name} class={problem ? "bad" : "good"}>
          {problem ? t("noc.channel_dead", { name }) : t("noc.channel_well", { name })}
        </span>
      ))}
    </p>
  );
}

export function Noc() {
  const t = useText();
  const away = !use(connected);
  const status = useLive(() => get<Status>("/v1/status"));
  const hosts = useLive(async () => (await get<{ items: Host[] }>("/v1/hosts")).items);
  const incidents = useLive(async () => (await get<{ items: Incident[] }>("/v1/incidents")).items);
  const lost = away || status.error !== undefined || hosts.error !== undefined;
  const [, tick] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => tick((n) => n + 1), 30_000);
    return () => clearInterval(timer);
  }, []);
  const counts = status.value?.counts ?? {};
  const count = (name: string) => counts[name] ?? 0;
  const sites = [...new Set((hosts.value ?? []).map((host) => host.site))];
  const open = (incidents.value ?? []).filter((one) => one.closed === undefined);
  return (
    <main class="noc" id="content" data-lost={lost}>
      <h1 class={!lost && status.value?.word === "NOMINAL" ? "good" : "bad"}>{lost ? t("noc.lost") : (status.value?.word ?? t("app.loading"))}</h1>
      <div class="counts">
        <Count words={t("noc.running")} n={count("vms_running")} bad={false} />
        <Count words={t("noc.recovering")} n={count("recovering")} bad />
        <Count words={t("noc.away")} n={count("away")} bad />
        <Count words={t("noc.unprotected")} n={count("unprotected")} bad />
        <Count words={t("noc.failed")} n={count("failed")} bad />
        <Count words={t("noc.held")} n={count("held")} bad />
        <Count words={t("noc.faults")} n={count("faults")} bad />
      </div>
      <div class="sites">
        {sites.map((site) => (
          <section key={site}>
            <h2>
              {site} <Links hosts={(hosts.value ?? []).filter((host) => host.site === site)} />
            </h2>
            <div class="walls">
              {(hosts.value ?? [])
                .filter((host) => host.site === site)
                .map((host) => (
                  <div key={host.id} class={`wall ${host.phase === "up" && !host.quarantined ? "good" : "bad"}`}>
                    <strong>{host.name}</strong>
                    <span>{host.quarantined ? t("overview.quarantined") : host.phase}</span>
                    <span>{host.used.vms} VM</span>
                    <span>{host.fencing.state === "ready" ? t("noc.fencing_ready") : t("noc.fencing_not")}</span>
                  </div>
                ))}
            </div>
          </section>
        ))}
      </div>
      {status.value && <Channels status={status.value} />}
      <ul class="open">
        {open.slice(0, 6).map((one) => (
          <li key={one.id}>
            <strong>{one.kind}</strong> {one.hosts.join(", ")}: {age(one.opened)}
          </li>
        ))}
        {open.length === 0 && (status.value?.attention ?? []).slice(0, 6).map((one) => <li key={one}>{one}</li>)}
      </ul>
    </main>
  );
}
