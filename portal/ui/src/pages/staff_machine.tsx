// One machine, for the provider's staff. Each look at a tenant's is noted, so that nothing is looked at twice without need.
import { useState } from "preact/hooks";
import { get, segment, type Schemas, type Vm } from "../api";
import { useLook } from "../live";
import { type Access, useOwnAccess } from "../own_access";
import { Actions } from "../parts/actions";
import { Failure, Shown } from "../parts/basic";
import { AskTenant } from "../parts/grant_file";
import { Graphs } from "../parts/graph";
import { Facts, Heading, Snapshots } from "../parts/machine";
import { SayWhy } from "../parts/say_why";
import type { Explanation, Staff, Told } from "../staff";
import { useText, when } from "../text";
import { may } from "../who";

// Newest first; who merely looked decided nothing.
const decided = (trail: Told[]) => trail.filter((entry) => entry.what !== "look_at").reverse();

function Trail({ vm, turn }: { vm: Vm; turn: number }) {
  const t = useText();
  const live = useLook(() => get<Explanation>(`/v1/explain/vm/${segment(vm.id)}`), [vm.id, turn], [`vm/${vm.id}`]);
  return (
    <section>
      <h2>{t("machine.trail")}</h2>
      <Shown of={live}>
        {({ trail, evidence }) => (
          <>
            {evidence.map(({ host, evidence: { type, at } }) => (
              <p key={`${host}${type}${at}`}>{t("machine.evidence", { host, what: type, when: when(at) })}</p>
            ))}
            {decided(trail).length === 0 && <p class="quiet">{t("machine.no_trail")}</p>}
            <ol class="plain events">
              {decided(trail).map((entry) => (
                <li key={entry.number}>
                  <time class="quiet">{when(entry.at)}</time> <strong>{entry.what}</strong> {entry.actor} {entry.words}
                </li>
              ))}
            </ol>
          </>
        )}
      </Shown>
    </section>
  );
}

function Day({ vm, turn }: { vm: Vm; turn: number }) {
  const t = useText();
  const live = useLook(() => get<Schemas["MetricsView"]>(`/v1/vms/${segment(vm.id)}/metrics`), [vm.id, turn], []);
  return (
    <section>
      <h2>{t("machine.last_day")}</h2>
      <Shown of={live}>{(seen) => <Graphs metrics={seen} />}</Shown>
    </section>
  );
}

function Seen({ id, staff, sessions }: { id: string; staff: Staff; sessions: Access[] }) {
  const t = useText();
  const open = sessions.map((session) => session.id).sort().join();
  const [turn, set_turn] = useState(0);
  const look = async () => ({ vm: await get<Vm>(`/v1/vms/${segment(id)}`), at: Date.now() });
  const live = useLook(look, [id, open, turn], [`vm/${id}`]);
  if (live.error?.code === "reason_required") return <SayWhy id={id} staff={staff} done={() => may(staff, "see_access") || set_turn(turn + 1)} />;
  return (
    <Shown of={live}>
      {({ vm, at }) => (
        <>
          <Heading vm={vm} self={staff} />
          <p class="quiet">
            {t("machine.seen", { when: when(at) })} <button onClick={() => set_turn(turn + 1)}>{t("machine.look_again")}</button>{" "}
            {vm.tenant && t("machine.noted", { tenant: vm.tenant })}
          </p>
          <Actions vm={vm} self={staff} />
          <Facts vm={vm} self={staff} />
          {vm.delivered && vm.tenant && (
            <section>
              <h2>{t("grant.title", { tenant: vm.tenant })}</h2>
              <AskTenant vm={vm} who={staff} reason={sessions.find((session) => session.tenant === vm.tenant)?.reason ?? ""} />
            </section>
          )}
          <Snapshots vm={vm} self={staff} />
          <Day vm={vm} turn={turn} />
          <Trail vm={vm} turn={turn} />
        </>
      )}
    </Shown>
  );
}

export function StaffMachine({ id, staff }: { id: string; staff: Staff }) {
  const access = useOwnAccess(staff);
  if (access.error && !access.value) return <Failure error={access.error} />;
  return <Shown of={access}>{(sessions) => <Seen id={id} staff={staff} sessions={sessions} />}</Shown>;
}
