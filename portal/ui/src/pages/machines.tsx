import { useMemo, useState } from "preact/hooks";
import { get_all, type Self, type Vm } from "../api";
import { useLive } from "../live";
import { Shown, State } from "../parts/basic";
import { CreateMachine } from "../parts/create";
import { LongTable, type Column } from "../parts/long_table";
import { follow } from "../router";
import { text, useText } from "../text";

const kOrder = new Intl.Collator();
const kColumns: Column<Vm>[] = [
  {
    head: "machines.name",
    cell: (vm) => (
      <a href={`/machines/${vm.name}`} onClick={follow} tabIndex={-1}>
        {vm.name}
      </a>
    ),
  },
  { head: "machines.state", cell: (vm) => <State state={vm.state} /> },
  { head: "machines.site", cell: (vm) => vm.site ?? "–", tone: (vm) => (vm.away ? "warn" : "") },
  { head: "machines.size", cell: (vm) => `${vm.vcpus} × ${vm.memory_mib} MiB`, wide_only: true },
  {
    head: "machines.switchable",
    cell: (vm) => text(vm.switchable_now.value ? "machine.yes" : "machine.no"),
    tone: (vm) => (vm.switchable_now.value ? "good" : "warn"),
    wide_only: true,
  },
];

export function Machines({ self }: { self: Self }) {
  const t = useText();
  const live = useLive(() => get_all<Vm>("/v1/vms"));
  const [search, set_search] = useState("");
  const [creating, set_creating] = useState(false);
  const found = useMemo(
    () => (live.value ?? []).filter((vm) => vm.name.includes(search)).sort((a, b) => kOrder.compare(a.name, b.name)),
    [live.value, search],
  );
  const may_create = (self.permissions as string[]).includes("change_machines");
  return (
    <>
      <div class="title">
        <h1>{t("machines.title")}</h1>
        <input type="search" value={search} onInput={(e) => set_search((e.target as HTMLInputElement).value)}
          placeholder={t("machines.search")} aria-label={t("machines.search")} />
        {may_create && (
          <button class="primary" onClick={() => set_creating(true)}>
            {t("machines.new")}
          </button>
        )}
      </div>
      <Shown of={live}>
        {(all) =>
          all.length === 0 ? (
            <p class="quiet">{t("machines.empty")}</p>
          ) : (
            <>
              <p class="quiet" aria-live="polite">{found.length === 0 ? t("machines.nothing") : t("machines.count", { n: found.length })}</p>
              <LongTable label={t("machines.title")} kind="tenants" items={found} columns={kColumns} />
            </>
          )
        }
      </Shown>
      {creating && <CreateMachine close={() => set_creating(false)} />}
    </>
  );
}
