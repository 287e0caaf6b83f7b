// A reason before anything of a tenant's is seen: category, words, ticket, how long. The tenant reads it.
import { useState } from "preact/hooks";
import { ask } from "../api";
import { useText, word } from "../text";
import { Field } from "./basic";
import { Dialog } from "./dialog";

const kCategories = ["incident", "maintenance", "asked_by_tenant", "security", "legal"];

export function OpenAccess({ tenant = "", close, done = close }: { tenant?: string; close: () => void; done?: () => void }) {
  const t = useText();
  const [form, set_form] = useState({ tenant, category: "incident", reason: "", ticket: "", minutes: 60 });
  const set = (name: string) => (event: Event) => {
    const input = event.target as HTMLInputElement;
    set_form({ ...form, [name]: input.type === "number" ? Number(input.value) : input.value });
  };
  const act = async () => void (await ask("POST", "/v1/access", form));
  return (
    <Dialog title={t("open.title")} go={t("open.go")} act={act} close={close} done={done}
      ready={form.tenant !== "" && form.reason.trim() !== ""}>
      <Field label={t("open.tenant")}>{(id) => <input id={id} value={form.tenant} onInput={set("tenant")} required autofocus={tenant === ""} spellcheck={false} />}</Field>
      <Field label={t("open.category")}>
        {(id) => (
          <select id={id} value={form.category} onChange={set("category")}>
            {kCategories.map((one) => (
              <option key={one} value={one}>
                {word("category", one)}
              </option>
            ))}
          </select>
        )}
      </Field>
      <Field label={t("confirm.reason")} hint={t("open.hint")}>
        {(id) => <input id={id} value={form.reason} onInput={set("reason")} required autofocus={tenant !== ""} maxlength={500} />}
      </Field>
      <Field label={t("open.ticket")} hint={t("open.ticket_hint")}>
        {(id) => <input id={id} value={form.ticket} onInput={set("ticket")} maxlength={64} spellcheck={false} />}
      </Field>
      <Field label={t("open.minutes")}>{(id) => <input id={id} type="number" min={5} max={480} value={form.minutes} onInput={set("minutes")} />}</Field>
    </Dialog>
  );
}
