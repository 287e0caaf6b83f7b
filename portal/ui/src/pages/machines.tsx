import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { get_all, type Self, type Vm } from "../api";
import { useLive } from "../live";
import { Shown, State } from "../parts/basic";
import { CreateMachine } from "../parts/create";
import { follow } from "../router";
import { useText } from "../text";

const kRow = 44; // pixels, as in style.css
const kAround = 12; // rows beyond those that are seen

// Of thousands only the rows that are seen are there.
function Rows({ machines }: { machines: Vm[] }) {
  const t = useText();
  const place = useRef<HTMLDivElement>(null);
  const [span, set_span] = useState({ first: 0, last: 60 });
  useEffect(() => {
    const look = () => {
      const top = place.current?.getBoundingClientRect().top ?? 0;
      const first = Math.max(0, Math.floor(-top / kRow) - kAround);
      const last = Math.ceil((innerHeight - top) / kRow) + kAround;
      set_span((before) => (before.first === first && before.last === last ? before : { first, last }));
    };
    look();
    addEventListener("scroll", look, { passive: true });
    addEventListener("resize", look);
    return () => {
      removeEventListener("scroll", look);
      removeEventListener("resize", look);
    };
  }, [machines.length]);
  return (
    <div ref={place} class="rows" role="rowgroup" style={{ height: `${machines.length * kRow}px` }}>
      {machines.slice(span.first, span.last).map((vm, i) => (
        <div role="row" class="row" key={vm.id} aria-rowindex={span.first + i + 2} style={{ top: `${(span.first + i) * kRow}px` }}>
          <span role="cell" class="name">
            <a href={`/machines/${vm.name}`} onClick={follow}>
              {vm.name}
            </a>
          </span>
          <span role="cell"><State state={vm.state} /></span>
          <span role="cell" class={vm.away ? "warn" : ""}>{vm.site ?? "–"}</span>
          <span role="cell" class="wide-only">{vm.vcpus} × {vm.memory_mib} MiB</span>
          <span role="cell" class={`wide-only ${vm.switchable_now.value ? "good" : "warn"}`}>
            {vm.switchable_now.value ? t("machine.yes") : t("machine.no")}
          </span>
        </div>
      ))}
    </div>
  );
}

export function Machines({ self }: { self: Self }) {
  const t = useText();
  const live = useLive(() => get_all<Vm>("/v1/vms"));
  const [search, set_search] = useState("");
  const [creating, set_creating] = useState(false);
  const found = useMemo(
    () => (live.value ?? []).filter((vm) => vm.name.includes(search)).sort((a, b) => a.name.localeCompare(b.name)),
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
              <div role="table" class="machines" aria-label={t("machines.title")} aria-rowcount={found.length + 1}>
                <div role="rowgroup">
                  <div role="row" class="row head" aria-rowindex={1}>
                    <span role="columnheader">{t("machines.name")}</span>
                    <span role="columnheader">{t("machines.state")}</span>
                    <span role="columnheader">{t("machines.site")}</span>
                    <span role="columnheader" class="wide-only">{t("machines.size")}</span>
                    <span role="columnheader" class="wide-only">{t("machines.switchable")}</span>
                  </div>
                </div>
                <Rows machines={found} />
              </div>
            </>
          )
        }
      </Shown>
      {creating && <CreateMachine close={() => set_creating(false)} />}
    </>
  );
}
