// The way home: what is away, a plan for it, its approval with a reason, and how far it is.
import { useState } from "preact/hooks";
import { change, get, get_all, segment, type Vm } from "../api";
import { useLive } from "../live";
import { Field, Shown, State, Table } from "../parts/basic";
import { Dialog } from "../parts/dialog";
import type { Plan, Staff } from "../staff";
import { useText, when } from "../text";

function Approve({ plan, close }: { plan: Plan; close: () => void }) {
  const t = useText();
  const [reason, set_reason] = useState("");
  const act = async () => void (await change("POST", `/v1/failback/plans/${segment(plan.id)}/approve`, { digest: plan.digest, reason }));
  return (
    <Dialog title={t("failback.approve_title", { n: plan.items.length })} go={t("failback.approve")} act={act} close={close} ready={reason.trim() !== ""}>
      <Field label={t("confirm.reason")} hint={t("confirm.reason_hint")}>
        {(id) => <input id={id} value={reason} onInput={(e) => set_reason((e.target as HTMLInputElement).value)} required autofocus maxlength={500} />}
      </Field>
    </Dialog>
  );
}

function PlanCard({ plan, may }: { plan: Plan; may: boolean }) {
  const t = useText();
  const [approving, set_approving] = useState(false);
  return (
    <li class="card">
      <div class="title">
        <strong>{t("failback.plan", { id: plan.id })}</strong> <State state={plan.phase} />
        <span class="quiet">
          {plan.author}, {when(plan.created)}
          {plan.phase === "proposed" && `, ${t("access.until", { when: when(plan.expires) })}`}
        </span>
        {may && plan.phase === "proposed" && (
          <button class="primary" onClick={() => set_approving(true)}>
            {t("failback.approve")}
          </button>
        )}
      </div>
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
      {approving && <Approve plan={plan} close={() => set_approving(false)} />}
    </li>
  );
}

export function Failback({ staff }: { staff: Staff }) {
  const t = useText();
  const vms = useLive(() => get_all<Vm>("/v1/vms"));
  const plans = useLive(async () => (await get<{ items: Plan[] }>("/v1/failback/plans")).items);
  const [planning, set_planning] = useState(false);
  const may = staff.permissions.includes("decide_failback");
  const away = (vms.value ?? []).filter((vm) => vm.away);
  return (
    <>
      <div class="title">
        <h1>{t("failback.title")}</h1>
        {may && away.length > 0 && (
          <button class="primary" onClick={() => set_planning(true)}>
            {t("failback.make")}
          </button>
        )}
      </div>
      <Shown of={vms}>
        {() =>
          away.length === 0 ? (
            <p class="quiet">{t("failback.nothing")}</p>
          ) : (
            <ul class="chips">
              {away.map((vm) => (
                <li key={vm.id}>
                  {vm.name}: {vm.site} → {vm.home}
                </li>
              ))}
            </ul>
          )
        }
      </Shown>
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
      {planning && (
        <Dialog title={t("failback.make_title", { n: away.length })} go={t("failback.make")} close={() => (set_planning(false), plans.again())}
          act={async () => void (await change("POST", "/v1/failback/plans", {}))} />
      )}
    </>
  );
}
