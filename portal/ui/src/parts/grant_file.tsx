// Of the provider's staff, before they get inside a delivered machine: the file by which its tenant lets them, and how to ask for it.
import { useState } from "preact/hooks";
import { Refused, type Vm } from "../api";
import type { Leave } from "../grant";
import { useText } from "../text";
import { name_in_tenant, type Who } from "../who";
import { Field } from "./basic";
import { Copy } from "./copy";
import type { Leaving } from "./leave";

// A reason is anybody's words: within single quotes no shell reads them.
const quoted = (words: string) => `'${words.replaceAll("'", "'\\''")}'`;

export function grant_command(vm: Vm, who: Who, reason: string, snapshot = ""): string {
  const purpose = snapshot ? ` --for rollback --snapshot ${quoted(snapshot)}` : "";
  return `bascule vm grant ${name_in_tenant(vm)} --to ${who.user}${purpose} --minutes 30 --reason ${quoted(reason)} > grant.json`;
}

export function AskTenant({ vm, who, reason, snapshot }: { vm: Vm; who: Who; reason: string; snapshot?: string }) {
  const t = useText();
  return (
    <>
      <p class="quiet">{t(snapshot ? "grant.ask_roll_back" : "grant.ask", { tenant: vm.tenant ?? "" })}</p>
      <Copy text={grant_command(vm, who, reason.trim() || t("grant.reason"), snapshot)} />
    </>
  );
}

async function read_grant(file: File): Promise<Leave> {
  const text = await file.text();
  const found: unknown = (() => {
    try {
      return JSON.parse(text);
    } catch {
      return null;
    }
  })();
  return found !== null && typeof found === "object" && "signature" in found ? (found as Leave) : Promise.reject(new Error());
}

export function useGrantFile(vm: Vm, who: Who, reason: string, snapshot = ""): Leaving {
  const t = useText();
  const [file, set_file] = useState<File | null>(null);
  const sign = async () => {
    if (!file) return { way: "" as const, keep() {} };
    const leave = await read_grant(file).catch(() => {
      throw new Refused(0, "invalid", t("grant.no_grant"));
    });
    return { leave, way: "/granted" as const, keep() {} };
  };
  const fields = vm.delivered && (
    <fieldset>
      <legend>{t("grant.title", { tenant: vm.tenant ?? "" })}</legend>
      <AskTenant vm={vm} who={who} reason={reason} snapshot={snapshot} />
      <Field label={t("grant.file")}>
        {(id) => <input id={id} type="file" accept=".json,application/json" onChange={(e) => set_file((e.target as HTMLInputElement).files?.[0] ?? null)} />}
      </Field>
    </fieldset>
  );
  return { fields, sign };
}
