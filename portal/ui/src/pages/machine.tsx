import { useState } from "preact/hooks";
import { get, segment, type Schemas, type Self, type Vm } from "../api";
import { recent, useLive } from "../live";
import { Actions, Confirm } from "../parts/actions";
import { Shown, State } from "../parts/basic";
import { Graphs } from "../parts/graph";
import { use } from "../signal";
import { useText, when } from "../text";

const kMeasured_ms = 10_000; // as often as hosts tell

function Facts({ vm }: { vm: Vm }) {
  const t = useText();
  const addresses = vm.nics.flatMap((nic) => nic.addresses).join(", ");
  const facts: [string, string, string?][] = [
    [t("machines.site"), `${vm.site ?? "–"} (${t("machine.home")}: ${vm.home})`, vm.away ? "warn" : ""],
    [t("machine.why"), vm.explanation],
    [
      t("machines.switchable"),
      vm.switchable_now.value ? t("machine.yes") : t("machine.because", { why: vm.switchable_now.because }),
      vm.switchable_now.value ? "good" : "warn",
    ],
    [t("machine.protected"), vm.protected ? t("machine.yes") : t("machine.no")],
    [t("machine.memory"), `${vm.memory_mib} MiB`],
    [t("machine.processors"), String(vm.vcpus)],
    [t("machine.volumes"), vm.disks.map((disk) => `${disk.pool}:${disk.volume} ${disk.size_mib} MiB`).join(", ") || t("app.none")],
    [t("machine.addresses"), addresses || t("app.none")],
    [t("machine.delivered"), vm.delivered ? t("machine.delivered_yes") : t("machine.delivered_no")],
    ...vm.volumes
      .filter((volume) => volume.there)
      .map((volume): [string, string, string] => [
        t("machine.copy"),
        `${volume.volume}: ${volume.there}${volume.behind_ms ? `, ${t("machine.copy_behind", { s: (volume.behind_ms / 1000).toFixed(1) })}` : ""}`,
        volume.well ? "good" : "warn",
      ]),
  ];
  return (
    <dl class="facts">
      {facts.map(([name, value, tone]) => (
        <div key={name + value}>
          <dt>{name}</dt>
          <dd class={tone ?? ""}>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function Snapshots({ vm, self }: { vm: Vm; self: Self }) {
  const t = useText();
  const [asking, ask] = useState<{ what: "roll_back" | "remove_snapshot"; snapshot: string } | null>(null);
  const names = [...new Set(vm.volumes.flatMap((volume) => volume.snapshots.map((one) => one.name)))];
  const taken = (name: string) =>
    when(Math.min(...vm.volumes.flatMap((v) => v.snapshots.filter((s) => s.name === name).map((s) => s.taken))));
  const may = (self.permissions as string[]).includes("change_contents");
  if (vm.volumes.length === 0) return null;
  return (
    <section>
      <h2>{t("machine.snapshots")}</h2>
      {names.length === 0 && <p class="quiet">{t("machine.no_snapshots")}</p>}
      <ul class="plain">
        {names.map((snapshot) => (
          <li key={snapshot}>
            <strong>{snapshot}</strong> <span class="quiet">{taken(snapshot)}</span>
            {may && (
              <span class="buttons">
                <button disabled={vm.state !== "stopped"} onClick={() => ask({ what: "roll_back", snapshot })}>
                  {t("machine.roll_back")}
                </button>
                <button onClick={() => ask({ what: "remove_snapshot", snapshot })}>{t("machine.remove")}</button>
              </span>
            )}
          </li>
        ))}
      </ul>
      {asking && <Confirm vm={vm} self={self} asking={asking} close={() => ask(null)} />}
    </section>
  );
}

function Happened({ vm }: { vm: Vm }) {
  const t = useText();
  const mine = use(recent).filter((entry) => entry.subject === `vm/${vm.id}`);
  return (
    <section>
      <h2>{t("machine.events")}</h2>
      {mine.length === 0 && <p class="quiet">{t("machine.no_events")}</p>}
      <ol class="plain events">
        {mine.map((entry) => (
          <li key={entry.number}>
            <time class="quiet">{when(entry.at)}</time> <strong>{entry.what}</strong> {entry.actor} {entry.words}
          </li>
        ))}
      </ol>
    </section>
  );
}

export function Machine({ name, self }: { name: string; self: Self }) {
  const t = useText();
  const path = `/v1/vms/${segment(name)}`;
  const live = useLive(() => get<Vm>(path), [name]);
  const metrics = useLive(() => get<Schemas["MetricsView"]>(`${path}/metrics`), [name], kMeasured_ms);
  return (
    <Shown of={live}>
      {(vm) => (
        <>
          <div class="title">
            <h1>{vm.name}</h1>
            <State state={vm.state} />
          </div>
          {vm.away && <p class="banner warning">{t("machine.away")}</p>}
          {vm.broken_glass.map((mark) => (
            <p class="banner danger" key={mark.nonce}>
              {t("machine.glass", { who: mark.by, when: when(mark.at), why: mark.reason })}
            </p>
          ))}
          <Actions vm={vm} self={self} />
          <Facts vm={vm} />
          <Snapshots vm={vm} self={self} />
          <section>
            <h2>{t("machine.last_day")}</h2>
            <Shown of={metrics}>{(seen) => <Graphs metrics={seen} />}</Shown>
          </section>
          <Happened vm={vm} />
        </>
      )}
    </Shown>
  );
}
