// The tenant's key, of this tab until whoever brought it signs out: what gets inside a delivered machine is signed with it.
import { useState } from "preact/hooks";
import { Refused, type Vm } from "../api";
import { read_key, sign_leave, type Purpose, type TenantKey } from "../grant";
import { at_sign_out } from "../live";
import { useText } from "../text";
import type { Who } from "../who";
import { Field } from "./basic";
import type { Leaving } from "./leave";

let tenant_key: TenantKey | null = null;
at_sign_out(() => {
  tenant_key = null;
});

// `fields` to show; `read` gives the key that was chosen, or the one at hand, or null.
export function useKeyFiles(self: Who, hint: string) {
  const t = useText();
  const [files, set_files] = useState<{ key?: File; pin?: File }>({});
  const [held, hold] = useState(tenant_key);
  const read = async () => {
    if (!files.key || !files.pin) return held;
    const key = await read_key(files.key, files.pin).catch(() => {
      throw new Refused(0, "invalid", t("console.key_wrong"));
    });
    if (key.pin["tenant"] !== self.tenant) throw new Refused(0, "invalid", t("console.key_of_another"));
    return key;
  };
  const file = (which: "key" | "pin") => (event: Event) => {
    const chosen = (event.target as HTMLInputElement).files?.[0];
    if (chosen) set_files({ ...files, [which]: chosen });
  };
  const fields = held ? (
    <button type="button" onClick={() => hold(null)}>
      {t("console.other_key")}
    </button>
  ) : (
    <fieldset>
      <legend>{t("console.key_title")}</legend>
      <p class="quiet">{hint}</p>
      <Field label={t("console.key_file")}>{(id) => <input id={id} type="file" onChange={file("key")} />}</Field>
      <Field label={t("console.pin_file")}>{(id) => <input id={id} type="file" onChange={file("pin")} />}</Field>
    </fieldset>
  );
  const keep = (key: TenantKey | null) => {
    tenant_key = key;
  };
  return { fields, read, keep };
}

export function useTenantKey(vm: Vm, self: Who): Leaving {
  const t = useText();
  const files = useKeyFiles(self, t("console.key_hint"));
  const sign = async (purpose: Purpose) => {
    const way = "" as const;
    const key = vm.delivered ? await files.read() : null;
    if (!key) return { way, keep() {} };
    return { leave: await sign_leave(key, vm.id, self.user, purpose), way, keep: () => files.keep(key) };
  };
  return { fields: vm.delivered && files.fields, sign };
}
