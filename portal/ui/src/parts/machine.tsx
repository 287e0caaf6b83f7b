// What the pages of a machine have in common, whoever looks.
import { useState } from "preact/hooks";
import type { Vm } from "../api";
import { text, useText, when } from "../text";
import type { Key } from "../text/en";
import { gets_inside, may, type Who } from "../who";
import { Confirm } from "./actions";
import { State } from "./basic";

export function Heading({ vm, self }: { vm: Vm; self: Who }) {
  const t = useText();
  return (
    <>
      <div class="title">
        <h1>{vm.name}</h1>
        <State state={vm.state} />
      </div>
      {vm.away && <p class="banner warning">{t("machine.away")}</p>}
      {vm.broken_glass.map((mark) => (
        <p class="banner danger" key={mark.nonce}>
          {t(self.tenant === undefined ? "machine.glass_ours" : "machine.glass", { who: mark.by, when: when(mark.at), why: mark.reason })}
        </p>
      ))}
    </>
  );
}

type Fact = [string, string, string?];

// What tenants needn't know, as it is the provider's.
function of_staff(vm: Vm, t: typeof text): Fact[] {
  return [
    [t("machine.host"), vm.host ?? "–"],
    [t("open.tenant"), vm.tenant || t("machine.own")],
    [t("machine.wanted"), t(vm.wanted_running ? "machine.wanted_running" : "machine.wanted_stopped"),
      vm.wanted_running === (vm.state === "running") ? "" : "warn"],
    [t("machine.may_run"), vm.may_run.map((copy) => copy.host).join(", ") || t("app.none")],
  ];
}

function delivered_words(vm: Vm, self: Who): Key {
  if (self.tenant === undefined) return vm.delivered ? "machine.delivered_theirs" : "machine.delivered_not";
  return vm.delivered ? "machine.delivered_yes" : "machine.delivered_no";
}

export function Facts({ vm, self }: { vm: Vm; self: Who }) {
  const t = useText();
  const addresses = vm.nics.flatMap((nic) => nic.addresses).join(", ");
  const facts: Fact[] = [
    [t("machines.site"), `${vm.site ?? "–"} (${t("machine.home")}: ${vm.home})`, vm.away ? "warn" : ""],
    ...(self.tenant === undefined ? of_staff(vm, t) : []),
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
    [t("machine.delivered"), t(delivered_words(vm, self), { tenant: vm.tenant ?? "" })],
    ...vm.volumes
      .filter((volume) => volume.there)
      .map((volume): Fact => [
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

export function Snapshots({ vm, self }: { vm: Vm; self: Who }) {
  const t = useText();
  const [asking, ask] = useState<{ what: "roll_back" | "remove_snapshot"; snapshot: string } | null>(null);
  const names = [...new Set(vm.volumes.flatMap((volume) => volume.snapshots.map((one) => one.name)))];
  const taken = (name: string) =>
    when(Math.min(...vm.volumes.flatMap((v) => v.snapshots.filter((s) => s.name === name).map((s) => s.taken))));
  const changes = may(self, "change_contents");
  if (vm.volumes.length === 0) return null;
  return (
    <section>
      <h2>{t("machine.snapshots")}</h2>
      {names.length === 0 && <p class="quiet">{t("machine.no_snapshots")}</p>}
      <ul class="plain">
        {names.map((snapshot) => (
          <li key={snapshot}>
            <strong>{snapshot}</strong> <span class="quiet">{taken(snapshot)}</span>
            {changes && (
              <span class="buttons">
                <button disabled={vm.state !== "stopped"} onClick={() => ask({ what: "roll_back", snapshot })}>
                  {t("machine.roll_back")}
                </button>
                {gets_inside(self, vm) && (
                  <button onClick={() => ask({ what: "remove_snapshot", snapshot })}>{t("machine.remove")}</button>
                )}
              </span>
            )}
          </li>
        ))}
      </ul>
      {asking && <Confirm vm={vm} self={self} asking={asking} close={() => ask(null)} />}
    </section>
  );
}

