import { useState } from "preact/hooks";
import { ask, change, get_all, segment, type Schemas, type Self } from "../api";
import { useLive } from "../live";
import { Field, Once, Shown, Table } from "../parts/basic";
import { Dialog } from "../parts/dialog";
import { useText } from "../text";

type User = Schemas["UserView"];
const kRoles = ["owner", "operator", "viewer", "auditor"] as const;

function Roles({ chosen, set }: { chosen: string[]; set: (roles: string[]) => void }) {
  const t = useText();
  return (
    <fieldset>
      <legend>{t("people.roles")}</legend>
      {kRoles.map((role) => (
        <label class="check" key={role}>
          <input type="checkbox" checked={chosen.includes(role)}
            onChange={(e) => set((e.target as HTMLInputElement).checked ? [...chosen, role] : chosen.filter((one) => one !== role))} />
          {role}
        </label>
      ))}
    </fieldset>
  );
}

function Invite({ close, told }: { close: () => void; told: (secret: string) => void }) {
  const t = useText();
  const [name, set_name] = useState("");
  const [roles, set_roles] = useState<string[]>(["viewer"]);
  const act = async () => told((await ask<Schemas["Invitation"]>("POST", "/v1/users", { name, roles })).invitation);
  return (
    <Dialog title={t("people.invite")} go={t("people.invite")} act={act} close={close} ready={name !== "" && roles.length > 0}>
      <Field label={t("people.name")}>
        {(id) => <input id={id} value={name} onInput={(e) => set_name((e.target as HTMLInputElement).value)} required autofocus spellcheck={false} />}
      </Field>
      <Roles chosen={roles} set={set_roles} />
    </Dialog>
  );
}

function Change({ user, close }: { user: User; close: () => void }) {
  const t = useText();
  const [roles, set_roles] = useState<string[]>(user.roles);
  const [disabled, set_disabled] = useState(user.disabled);
  const act = async () => void (await change("PUT", `/v1/users/${segment(user.name)}`, { roles, own_roles: user.own_roles, disabled }));
  return (
    <Dialog title={user.name} go={t("people.change")} act={act} close={close}>
      <Roles chosen={roles} set={set_roles} />
      <label class="check">
        <input type="checkbox" checked={disabled} onChange={(e) => set_disabled((e.target as HTMLInputElement).checked)} />
        {t("people.disabled")}
      </label>
    </Dialog>
  );
}

export function People({ self }: { self: Self }) {
  const t = useText();
  const live = useLive(() => get_all<User>("/v1/users"));
  const [inviting, set_inviting] = useState(false);
  const [secret, set_secret] = useState("");
  const [changing, set_changing] = useState<User | null>(null);
  const [removing, set_removing] = useState<User | null>(null);
  return (
    <>
      <div class="title">
        <h1>{t("people.title")}</h1>
        <button class="primary" onClick={() => set_inviting(true)}>
          {t("people.invite")}
        </button>
      </div>
      <Once words={t("people.secret")} secret={secret} />
      <Shown of={live}>
        {(users) => (
          <Table heads={["people.name", "people.roles", "people.state", "people.second_factor", null]}>
            {users.map((user) => (
              <tr key={user.name}>
                <td>{user.name}</td>
                <td>{[...user.roles, ...user.own_roles].join(", ")}</td>
                <td>{t(user.disabled ? "people.disabled" : user.invited ? "people.invited" : "people.active")}</td>
                <td>{user.second_factor ? t("machine.yes") : t("machine.no")}</td>
                <td class="buttons">
                  <button onClick={() => set_changing(user)}>{t("people.roles")}</button>
                  {self.user !== `${self.tenant}/${user.name}` && (
                    <button class="danger" onClick={() => set_removing(user)}>
                      {t("people.remove")}
                    </button>
                  )}
                </td>
              </tr>
            ))}
          </Table>
        )}
      </Shown>
      {inviting && <Invite close={() => (set_inviting(false), live.again())} told={set_secret} />}
      {changing && <Change user={changing} close={() => (set_changing(null), live.again())} />}
      {removing && (
        <Dialog title={t("people.confirm_remove", { name: removing.name })} go={t("people.remove")} danger
          act={async () => void (await change("DELETE", `/v1/users/${segment(removing.name)}`, {}))}
          close={() => (set_removing(null), live.again())} />
      )}
    </>
  );
}
