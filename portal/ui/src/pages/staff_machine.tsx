// One machine, for the provider's staff. Each look at a tenant's is noted, so that nothing is looked at twice without need.
import { get, segment, type Schemas, type Vm } from "../api";
import { useLook } from "../live";
import { Actions } from "../parts/actions";
import { Failure, Shown } from "../parts/basic";
import { AskTenant } from "../parts/grant_file";
import { Graphs } from "../parts/graph";
import { Facts, Heading, Snapshots } from "../parts/machine";
import { SayWhy } from "../parts/say_why";
import { type Access, type Explanation, type Staff, useOwnAccess } from "../staff";
import { useText, when } from "../text";

function Trail({ vm }: { vm: Vm }) {
  const t = useText();
  const live = useLook(() => get<Explanation>(`/v1/explain/vm/${segment(vm.id)}`), [vm.id], `vm/${vm.id}`);
  return (
    <section>
      <h2>{t("machine.trail")}</h2>
      <Shown of={live}>
        {({ trail, evidence }) => (
          <>
            {evidence.map(({ host, evidence: { type, at } }) => (
              <p key={`${host}${type}${at}`}>{t("machine.evidence", { host, what: type, when: when(at) })}</p>
            ))}
            {trail.length === 0 && <p class="quiet">{t("machine.no_trail")}</p>}
            <ol class="plain events">
              {[...trail].reverse().map((entry) => (
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

function Day({ vm }: { vm: Vm }) {
  const t = useText();
  const live = useLook(() => get<Schemas["MetricsView"]>(`/v1/vms/${segment(vm.id)}/metrics`), [vm.id], "");
  return (
    <section>
      <div class="title">
        <h2>{t("machine.last_day")}</h2>
        <button onClick={live.again}>{t("machine.look_again")}</button>
      </div>
      <Shown of={live}>{(seen) => <Graphs metrics={seen} />}</Shown>
    </section>
  );
}

function Seen({ id, staff, sessions }: { id: string; staff: Staff; sessions: Access[] }) {
  const t = useText();
  const open = sessions.map((session) => session.id).sort().join();
  const live = useLook(() => get<Vm>(`/v1/vms/${segment(id)}`), [id, open], `vm/${id}`);
  if (live.error?.code === "reason_required") return <SayWhy id={id} staff={staff} done={() => undefined} />;
  return (
    <Shown of={live}>
      {(vm) => (
        <>
          <Heading vm={vm} self={staff} />
          {vm.tenant && <p class="quiet">{t("machine.noted", { tenant: vm.tenant })}</p>}
          <Actions vm={vm} self={staff} />
          <Facts vm={vm} self={staff} />
          {vm.delivered && vm.tenant && (
            <section>
              <h2>{t("grant.title", { tenant: vm.tenant })}</h2>
              <AskTenant vm={vm} who={staff} reason={sessions.find((session) => session.tenant === vm.tenant)?.reason ?? ""} />
            </section>
          )}
          <Snapshots vm={vm} self={staff} />
          <Day vm={vm} />
          <Trail vm={vm} />
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
