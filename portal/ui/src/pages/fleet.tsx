// All machines, as far as the provider's staff may see them: without a reason none has a tenant's name.
import { useMemo, useState } from "preact/hooks";
import { get_all, type Vm } from "../api";
import { useLive } from "../live";
import { Shown, State } from "../parts/basic";
import { LongTable, type Column } from "../parts/long_table";
import { OpenAccess } from "../parts/open_access";
import { follow } from "../router";
import type { Staff } from "../staff";
import { text, useText } from "../text";
import { page_of } from "../who";

const why_not = (vm: Vm) => text("machine.because", { why: vm.switchable_now.because });

const columns_for = (staff: Staff): Column<Vm>[] => [
  {
    head: "machines.name",
    cell: (vm) => (
      <a href={page_of(staff, vm)} onClick={follow} title={vm.name} tabIndex={-1}>
        {vm.name}
      </a>
    ),
  },
  { head: "machines.state", cell: (vm) => <State state={vm.state} /> },
  {
    head: "machines.site",
    cell: (vm) => [vm.host ?? "–", vm.site && <span class="wide-only"> ({vm.site})</span>],
    tone: (vm) => (vm.away ? "warn" : ""),
  },
  {
    head: "machines.switchable",
    cell: (vm) => (vm.switchable_now.value ? text("machine.yes") : <span title={why_not(vm)}>{why_not(vm)}</span>),
    tone: (vm) => (vm.switchable_now.value ? "good" : "warn"),
    wide_only: true,
  },
];

export function Fleet({ staff }: { staff: Staff }) {
  const t = useText();
  const vms = useLive(() => get_all<Vm>("/v1/vms"));
  const [opening, set_opening] = useState(false);
  const [search, set_search] = useState("");
  const found = useMemo(() => (vms.value ?? []).filter((vm) => vm.name.includes(search)), [vms.value, search]);
  const columns = useMemo(() => columns_for(staff), [staff]);
  return (
    <>
      <div class="title">
        <h1>{t("machines.title")}</h1>
        <input type="search" value={search} onInput={(e) => set_search((e.target as HTMLInputElement).value)}
          placeholder={t("machines.search")} aria-label={t("machines.search")} />
        {staff.permissions.includes("open_access") && (
          <button class="primary" onClick={() => set_opening(true)}>
            {t("open.title")}
          </button>
        )}
      </div>
      <Shown of={vms}>
        {() => (
          <>
            <p class="quiet" aria-live="polite">{found.length === 0 ? t("machines.nothing") : t("machines.count", { n: found.length })}</p>
            <LongTable label={t("machines.title")} kind="fleet" items={found} columns={columns} />
          </>
        )}
      </Shown>
      {opening && <OpenAccess close={() => set_opening(false)} />}
    </>
  );
}
