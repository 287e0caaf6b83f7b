// Roles that everybody has, and those of the tenant's own: each says what whoever has it may do.
import { useState } from "preact/hooks";
import { change, segment, type Schemas } from "../api";
import type { Live } from "../live";
import { useText, word } from "../text";
import { Field, Shown, Table } from "./basic";
import { Dialog } from "./dialog";

export type Role = Schemas["RoleView"];

// Whoever manages users could give themselves everything, so that no role of one's own has that.
const kOwnersAlone = "manage_users";

export function Choice({ words, all, chosen, set }: { words: string; all: [name: string, label: string][]; chosen: string[]; set: (next: string[]) => void }) {
  return (
    <fieldset>
      <legend>{words}</legend>
      {all.map(([name, label]) => (
        <label class="check" key={name}>
          <input type="checkbox" checked={chosen.includes(name)}
            onChange={(e) => set((e.target as HTMLInputElement).checked ? [...chosen, name] : chosen.filter((one) => one !== name))} />
          {label}
        </label>
      ))}
    </fieldset>
  );
}

function Define({ role, all, close }: { role: Role | null; all: string[]; close: () => void }) {
  const t = useText();
  const [name, set_name] = useState(role?.name ?? "");
  const [chosen, set_chosen] = useState<string[]>(role?.permissions ?? []);
  const act = async () => void (await change("PUT", `/v1/roles/${segment(name)}`, { permissions: chosen }));
  return (
    <Dialog title={role?.name ?? t("roles.new")} go={t("roles.save")} act={act} close={close} ready={name !== "" && chosen.length > 0}>
      {!role && (
        <Field label={t("people.name")}>
          {(id) => <input id={id} value={name} onInput={(e) => set_name((e.target as HTMLInputElement).value)} required autofocus spellcheck={false} />}
        </Field>
      )}
      <Choice words={t("roles.may")} all={all.map((one) => [one, word("permission", one)])} chosen={chosen} set={set_chosen} />
      {role && <p class="quiet">{t("roles.change_hint")}</p>}
    </Dialog>
  );
}

export function Roles({ live }: { live: Live<Role[]> }) {
  const t = useText();
  const [changing, set_changing] = useState<{ role: Role | null } | null>(null);
  const [removing, set_removing] = useState<Role | null>(null);
  const offered = [...new Set((live.value ?? []).flatMap((role) => role.permissions as string[]))].filter((one) => one !== kOwnersAlone);
  return (
    <section>
      <div class="title">
        <h2>{t("people.roles")}</h2>
        <button onClick={() => set_changing({ role: null })}>{t("roles.new")}</button>
      </div>
      <Shown of={live}>
        {(roles) => (
          <Table heads={["people.name", "roles.may", null]}>
            {roles.map((role) => (
              <tr key={`${role.own}${role.name}`}>
                <td>{role.name}</td>
                <td>{role.permissions.map((one) => word("permission", one)).join(", ")}</td>
                <td class="buttons">
                  {role.own && (
                    <>
                      <button onClick={() => set_changing({ role })}>{t("roles.change")}</button>
                      <button class="danger" onClick={() => set_removing(role)}>
                        {t("people.remove")}
                      </button>
                    </>
                  )}
                </td>
              </tr>
            ))}
          </Table>
        )}
      </Shown>
      {changing && <Define role={changing.role} all={offered} close={() => (set_changing(null), live.again())} />}
      {removing && (
        <Dialog title={t("roles.confirm_remove", { name: removing.name })} go={t("people.remove")} danger
          act={async () => void (await change("DELETE", `/v1/roles/${segment(removing.name)}`, {}))}
          close={() => (set_removing(null), live.again())} />
      )}
    </section>
  );
}
