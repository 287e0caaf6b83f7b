// The way home: what is away, a plan for it, its approval with a reason, at once or later, and how far it is.
import { useState } from "preact/hooks";
import { change, get, get_all, segment, type Vm } from "../api";
import { useLive } from "../live";
import { Field, Shown, State, Table } from "../parts/basic";
import { Dialog } from "../parts/dialog";
import type { Plan, Staff } from "../staff";
import { useText, when } from "../text";

interface Decision {
  plan: Plan;
  close: () => void;
}

function Reason({ value, set }: { value: string; set: (value: string) => void }) {
  const t = useText();
  return (
    <Field label={t("confirm.reason")} hint={t("confirm.reason_hint")}>
      {(id) => <input id={id} value={value} onInput={(e) => set((e.target as HTMLInputElement).value)} required autofocus maxlength={500} />}
    </Field>
  );
}

function Approve({ plan, close }: Decision) {
  const t = useText();
  const [reason, set_reason] = useState("");
  const [later, set_later] = useState("");
  const act = async () => {
    const not_before = later ? new Date(later).getTime() : undefined;
    await change("POST", `/v1/failback/plans/${segment(plan.id)}/approve`, { digest: plan.digest, reason, not_before });
  };
  return (
    <Dialog title={t("failback.approve_title", { n: plan.items.length })} go={t("failback.approve")} act={act} close={close} ready={reason.trim() !== ""}>
      <Reason value={reason} set={set_reason} />
      <Field label={t("failback.later")} hint={t("failback.later_hint")}>
        {(id) => <input id={id} type="datetime-local" value={later} onInput={(e) => set_later((e.target as HTMLInputElement).value)} />}
      </Field>
    </Dialog>
  );
}

function CallOff({ plan, close }: Decision) {
  const t = useText();
  const [reason, set_reason] = useState("");
  const act = async () => void (await change("POST", `/v1/failback/plans/${segment(plan.id)}/abort`, { reason }));
  return (
    <Dialog title={t("failback.abort_title")} go={t("failback.abort")} danger act={act} close={close} ready={reason.trim() !== ""}>
      <p>{t("failback.abort_what")}</p>
      <Reason value={reason} set={set_reason} />
    </Dialog>
  );
}

function PlanHead({ plan, may }: { plan: Plan; may: boolean }) {
  const t = useText();
  const [open, set_open] = useState<"" | "approve" | "abort">("");
  const can_stay = plan.items.some((item) => item.phase === "waiting" || item.phase === "following");
  const is_open = ["proposed", "approved", "running"].includes(plan.phase);
  const home = plan.items.filter((item) => item.phase === "home").length;
  return (
    <div class="title">
      <strong>{t("failback.plan", { id: plan.id })}</strong> <State state={plan.phase} />
      <span class="quiet">
        {plan.author}, {when(plan.created)}
        {plan.phase === "proposed" && `, ${t("access.until", { when: when(plan.expires) })}`}
        {plan.phase === "approved" && `, ${t("failback.begins", { when: when(plan.not_before ?? 0), who: plan.approved_by ?? "" })}`}
      </span>
      {(plan.phase === "running" || plan.phase === "done") && (
        <progress max={plan.items.length} value={home} aria-label={t("failback.progress", { n: home, all: plan.items.length })} />
      )}
      {may && plan.phase === "proposed" && (
        <button class="primary" onClick={() => set_open("approve")}>
          {t("failback.approve")}
        </button>
      )}
      {may && is_open && can_stay && <button onClick={() => set_open("abort")}>{t("failback.abort")}</button>}
      {open === "approve" && <Approve plan={plan} close={() => set_open("")} />}
      {open === "abort" && <CallOff plan={plan} close={() => set_open("")} />}
    </div>
  );
}

function PlanCard({ plan, may }: { plan: Plan; may: boolean }) {
  return (
    <li class="card">
      <PlanHead plan={plan} may={may} />
      {plan.reason && <p class="quiet">{plan.reason}</p>}
      <Table heads={["machines.name", "failback.from_to", "machines.state", "failback.why_safe"]}>
        {plan.items.map((item) => (
          <tr key={item.vm}>
            <td>{item.name}</td>
            <td>
              {item.from.host} → {item.to.host}
            </td>
            <td>
              <State state={item.phase} />
            </td>
            <td>
              {item.why_safe} {item.despite && <span class="warn">{item.despite}</span>}
            </td>
          </tr>
        ))}
      </Table>
    </li>
  );
}

// Which of those that are away; all of them at first.
function Away({ away, may, planned }: { away: Vm[]; may: boolean; planned: () => void }) {
  const t = useText();
  const [left_out, leave_out] = useState<ReadonlySet<string>>(new Set());
  const [planning, set_planning] = useState(false);
  const chosen = away.filter((vm) => !left_out.has(vm.id));
  const turn = (id: string) => {
    const next = new Set(left_out);
    if (!next.delete(id)) next.add(id);
    leave_out(next);
  };
  // All that can come, or those that were named and nothing else.
  const act = async () => void (await change("POST", "/v1/failback/plans", chosen.length === away.length ? {} : { vms: chosen.map((vm) => vm.id) }));
  if (away.length === 0) return <p class="quiet">{t("failback.nothing")}</p>;
  return (
    <>
      <ul class="chips">
        {away.map((vm) => (
          <li key={vm.id}>
            <label class="check">
              {may && <input type="checkbox" checked={!left_out.has(vm.id)} onChange={() => turn(vm.id)} />}
              {vm.name}: {vm.site} → {vm.home}
            </label>
          </li>
        ))}
      </ul>
      {may && (
        <p>
          <button class="primary" disabled={chosen.length === 0} onClick={() => set_planning(true)}>
            {t("failback.make")}
          </button>{" "}
          <span class="quiet">{t("failback.dry")}</span>
        </p>
      )}
      {planning && <Dialog title={t("failback.make_title", { n: chosen.length })} go={t("failback.make")} close={() => (set_planning(false), planned())} act={act} />}
    </>
  );
}

export function Failback({ staff }: { staff: Staff }) {
  const t = useText();
  const vms = useLive(() => get_all<Vm>("/v1/vms"));
  const plans = useLive(async () => (await get<{ items: Plan[] }>("/v1/failback/plans")).items);
  const may = staff.permissions.includes("decide_failback");
  return (
    <>
      <div class="title">
        <h1>{t("failback.title")}</h1>
      </div>
      <Shown of={vms}>{(all) => <Away away={all.filter((vm) => vm.away)} may={may} planned={plans.again} />}</Shown>
      <Shown of={plans}>
        {(all) => (
          <ul class="plain cards">
            {[...all]
              .sort((a, b) => b.created - a.created)
              .slice(0, 20)
              .map((plan) => (
                <PlanCard key={plan.id} plan={plan} may={may} />
              ))}
          </ul>
        )}
      </Shown>
    </>
  );
}
