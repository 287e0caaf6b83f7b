import { get, segment, type Schemas, type Self, type Vm } from "../api";
import { recent, useLive } from "../live";
import { Actions } from "../parts/actions";
import { Shown } from "../parts/basic";
import { Graphs } from "../parts/graph";
import { Facts, Heading, Snapshots } from "../parts/machine";
import { use } from "../signal";
import { useText, when } from "../text";

const kMeasured_ms = 10_000; // as often as hosts tell

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
          <Heading vm={vm} self={self} />
          <Actions vm={vm} self={self} />
          <Facts vm={vm} self={self} />
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
