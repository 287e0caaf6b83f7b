// What can be done to a machine, each with its confirmation.
import { useState } from "preact/hooks";
import { change, segment, type Vm } from "../api";
import { go } from "../router";
import { useText } from "../text";
import type { Key } from "../text/en";
import { gets_inside, may, page_of, type Who } from "../who";
import { Accept } from "./accept";
import { Field } from "./basic";
import { Dialog } from "./dialog";
import { useLeave } from "./leave";

type Asking =
  | { what: "stop" | "reboot" | "kill" | "delete" | "snapshot" | "resize" }
  | { what: "roll_back" | "remove_snapshot"; snapshot: string };

const kNeedsReason = new Set(["kill", "roll_back", "remove_snapshot"]);
const kDanger = new Set(["kill", "delete", "roll_back", "remove_snapshot"]);
const kGo: Record<Asking["what"], Key> = {
  stop: "machine.stop",
  reboot: "machine.reboot",
  kill: "machine.kill",
  delete: "machine.delete",
  snapshot: "machine.snapshot",
  resize: "machine.resize",
  roll_back: "machine.roll_back",
  remove_snapshot: "machine.remove",
};

export function Confirm({ vm, self, asking, close }: { vm: Vm; self: Who; asking: Asking; close: () => void }) {
  const t = useText();
  const [reason, set_reason] = useState("");
  const [named, set_named] = useState("");
  const [size, set_size] = useState({ memory_mib: vm.memory_mib, vcpus: vm.vcpus });
  const { what } = asking;
  const snapshot = "snapshot" in asking ? asking.snapshot : named;
  const inside = useLeave(vm, self, reason, snapshot);
  const base = `/v1/vms/${segment(vm.id)}`;
  const act = async () => {
    switch (what) {
      case "delete":
        await change("DELETE", base, { reason });
        return go("/machines");
      case "snapshot":
        await change("POST", `${base}/snapshots`, { name: named, reason });
        return;
      case "roll_back": {
        const { leave: grant, way, keep } = await inside.sign({ operation: "roll_back", reason, snapshot });
        await change("POST", `${base}/snapshots/${segment(snapshot)}/rollback${way}`, { reason, ...(grant && { grant }) });
        return keep();
      }
      case "remove_snapshot":
        await change("DELETE", `${base}/snapshots/${segment(snapshot)}`, { reason });
        return;
      case "resize":
        await change("PUT", base, { ...size, reason });
        return;
      default:
        await change("POST", `${base}/${what}`, { reason });
    }
  };
  const ready =
    (!kNeedsReason.has(what) || reason.trim() !== "") &&
    (what !== "delete" || named === vm.name) &&
    (what !== "snapshot" || named !== "");
  const input = (set: (text: string) => void) => (event: Event) => set((event.target as HTMLInputElement).value);
  const title = t(`confirm.${what}` as Key, { name: vm.name, snapshot });
  return (
    <Dialog title={title} go={t(kGo[what])} danger={kDanger.has(what)} ready={ready} act={act} close={close}>
      {what === "delete" && (
        <Field label={t("confirm.type_name")}>{(id) => <input id={id} value={named} onInput={input(set_named)} autofocus spellcheck={false} />}</Field>
      )}
      {what === "snapshot" && (
        <Field label={t("confirm.snapshot_name")}>{(id) => <input id={id} value={named} onInput={input(set_named)} required autofocus spellcheck={false} />}</Field>
      )}
      {what === "resize" && (
        <>
          <Field label={t("create.memory")}>
            {(id) => <input id={id} type="number" min={16} value={size.memory_mib} onInput={(e) => set_size({ ...size, memory_mib: Number((e.target as HTMLInputElement).value) })} />}
          </Field>
          <Field label={t("create.vcpus")}>
            {(id) => <input id={id} type="number" min={1} value={size.vcpus} onInput={(e) => set_size({ ...size, vcpus: Number((e.target as HTMLInputElement).value) })} />}
          </Field>
        </>
      )}
      {what === "roll_back" && inside.fields}
      <Field label={t("confirm.reason")} hint={t("confirm.reason_hint")}>
        {(id) => <input id={id} value={reason} onInput={input(set_reason)} maxlength={500} required={kNeedsReason.has(what)} />}
      </Field>
    </Dialog>
  );
}

export function Actions({ vm, self }: { vm: Vm; self: Who }) {
  const t = useText();
  const [asking, ask] = useState<Asking | null>(null);
  const [starting, set_starting] = useState(false);
  const [accepting, set_accepting] = useState(false);
  const inside = gets_inside(self, vm);
  const runs = vm.state === "running";
  const stopped = vm.state === "stopped" || vm.state === "failed";
  const button = (what: Exclude<Asking["what"], "roll_back" | "remove_snapshot">, needs: string, can: boolean) =>
    may(self, needs) && (
      <button data-act={what} class={kDanger.has(what) ? "danger" : ""} disabled={!can} onClick={() => ask({ what })}>
        {t(kGo[what])}
      </button>
    );
  return (
    <div class="buttons">
      {may(self, "use_console") && (
        <>
          <button class="primary" disabled={!runs} onClick={() => go(`${page_of(self, vm)}/serial`)}>
            {t("machine.serial")}
          </button>
          <button class="primary" disabled={!runs} onClick={() => go(`${page_of(self, vm)}/screen`)}>
            {t("machine.screen")}
          </button>
        </>
      )}
      {may(self, "run_machines") && (
        <button disabled={!stopped} onClick={() => set_starting(true)}>
          {t("machine.start")}
        </button>
      )}
      {button("stop", "run_machines", runs)}
      {button("reboot", "run_machines", runs)}
      {button("kill", "run_machines", !stopped)}
      {inside && button("snapshot", "change_contents", vm.volumes.length > 0)}
      {button("resize", "change_machines", stopped)}
      {!vm.delivered && may(self, "accept_delivery") && (
        <button onClick={() => set_accepting(true)}>{t("machine.accept")}</button>
      )}
      {inside && button("delete", "change_contents", stopped && !vm.keep)}
      {asking && <Confirm vm={vm} self={self} asking={asking} close={() => ask(null)} />}
      {accepting && <Accept vm={vm} self={self} close={() => set_accepting(false)} />}
      {starting && (
        <Dialog title={`${t("machine.start")}: ${vm.name}`} go={t("machine.start")} close={() => set_starting(false)}
          act={async () => void (await change("POST", `/v1/vms/${segment(vm.id)}/start`, {}))} />
      )}
    </div>
  );
}
