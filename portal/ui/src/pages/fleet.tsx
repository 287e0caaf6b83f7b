// All machines, as far as the provider's staff may see them: without a reason none has a tenant's name.
import { useState } from "preact/hooks";
import { get_all, type Vm } from "../api";
import { useLive } from "../live";
import { Shown, State, Table } from "../parts/basic";
import { OpenAccess } from "../parts/open_access";
import { follow } from "../router";
import type { Staff } from "../staff";
import { useText } from "../text";
import { page_of } from "../who";

const kMost = 500;

export function Fleet({ staff }: { staff: Staff }) {
  const t = useText();
  const vms = useLive(() => get_all<Vm>("/v1/vms"));
  const [opening, set_opening] = useState(false);
  const [search, set_search] = useState("");
  const found = (vms.value ?? []).filter((vm) => vm.name.includes(search));
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
            <p class="quiet">{t("machines.count", { n: found.length })}</p>
            <Table heads={["machines.name", "machines.state", "machines.site", "machines.switchable"]}>
              {found.slice(0, kMost).map((vm) => (
                <tr key={vm.id}>
                  <td>
                    <a href={page_of(staff, vm)} onClick={follow}>
                      {vm.name}
                    </a>
                  </td>
                  <td>
                    <State state={vm.state} />
                  </td>
                  <td class={vm.away ? "warn" : ""}>
                    {vm.host ?? "–"} {vm.site && `(${vm.site})`}
                  </td>
                  <td class={vm.switchable_now.value ? "good" : "warn"}>
                    {vm.switchable_now.value ? t("machine.yes") : t("machine.because", { why: vm.switchable_now.because })}
                  </td>
                </tr>
              ))}
            </Table>
          </>
        )}
      </Shown>
      {opening && <OpenAccess close={() => set_opening(false)} />}
    </>
  );
}
