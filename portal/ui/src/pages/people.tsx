import { useState } from "preact/hooks";
import { ask, change, get, get_all, segment, type Schemas, type Self } from "../api";
import { useLive } from "../live";
import { Field, Once, Shown, Table } from "../parts/basic";
import { Dialog } from "../parts/dialog";
import { Choice, type Role, Roles } from "../parts/roles";
import { useText } from "../text";

type User = Schemas["UserView"];
const kOwn = "own:"; // a role of one's own may have a name that everybody's has

// Chosen together, asked for apart.
function useRoles(roles: Role[], first: { roles: string[]; own_roles: string[] }) {
  const t = useText();
  const [chosen, set] = useState([...first.roles, ...first.own_roles.map((name) => kOwn + name)]);
  const all = roles.map(({ name, own }): [string, string] => [own ? kOwn + name : name, name]);
  const fields = <Choice words={t("people.roles")} all={all} chosen={chosen} set={set} />;
  const own = chosen.filter((name) => name.startsWith(kOwn)).map((name) => name.slice(kOwn.length));
  return { fields, asked: { roles: chosen.filter((name) => !name.startsWith(kOwn)), own_roles: own }, some: chosen.length > 0 };
}

function Invite({ roles, close, told }: { roles: Role[]; close: () => void; told: (secret: string) => void }) {
  const t = useText();
  const [name, set_name] = useState("");
  const chosen = useRoles(roles, { roles: ["viewer"], own_roles: [] });
  const act = async () => told((await ask<Schemas["Invitation"]>("POST", "/v1/users", { name, ...chosen.asked })).invitation);
  return (
    <Dialog title={t("people.invite")} go={t("people.invite")} act={act} close={close} ready={name !== "" && chosen.some}>
      <Field label={t("people.name")}>
        {(id) => <input id={id} value={name} onInput={(e) => set_name((e.target as HTMLInputElement).value)} required autofocus spellcheck={false} />}
      </Field>
      {chosen.fields}
    </Dialog>
  );
}

function Change({ user, roles, close }: { user: User; roles: Role[]; close: () => void }) {
  const t = useText();
  const chosen = useRoles(roles, user);
  const [disabled, set_disabled] = useState(user.disabled);
  const act = async () => void (await change("PUT", `/v1/users/${segment(user.name)}`, { ...chosen.asked, disabled }));
  return (
    <Dialog title={user.name} go={t("people.change")} act={act} close={close}>
      {chosen.fields}
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
  const roles = useLive(async () => (await get<Schemas["RoleViewList"]>("/v1/roles")).items);
  const [inviting, set_inviting] = useState(false);
  const [secret, set_secret] = useState("");
  const [changing, set_changing] = useState<User | null>(null);
  const [removing, set_removing] = useState<User | null>(null);
  return (
    <>
      <div class="title">
        <h1>{t("people.title")}</h1>
        <button class="primary" disabled={!roles.value} onClick={() => set_inviting(true)}>
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
                  <button disabled={!roles.value} onClick={() => set_changing(user)}>{t("people.roles")}</button>
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
      <Roles live={roles} />
      {inviting && <Invite roles={roles.value ?? []} close={() => (set_inviting(false), live.again())} told={set_secret} />}
      {changing && <Change user={changing} roles={roles.value ?? []} close={() => (set_changing(null), live.again())} />}
      {removing && (
        <Dialog title={t("people.confirm_remove", { name: removing.name })} go={t("people.remove")} danger
          act={async () => void (await change("DELETE", `/v1/users/${segment(removing.name)}`, {}))}
          close={() => (set_removing(null), live.again())} />
      )}
    </>
  );
}
