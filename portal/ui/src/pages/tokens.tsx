import { useState } from "preact/hooks";
import { ask, change, get_all, segment, type Schemas } from "../api";
import { sign_out, useLive } from "../live";
import { Field, Once, Shown, Table } from "../parts/basic";
import { Dialog } from "../parts/dialog";
import { useText, when } from "../text";

function NewToken({ close, told }: { close: () => void; told: (secret: string) => void }) {
  const t = useText();
  const [name, set_name] = useState("");
  const [days, set_days] = useState(90);
  const act = async () => told((await ask<Schemas["NewToken"]>("POST", "/v1/tokens", { name, days })).token);
  return (
    <Dialog title={t("tokens.new")} go={t("tokens.new")} act={act} close={close} ready={name !== ""}>
      <Field label={t("tokens.name")}>
        {(id) => <input id={id} value={name} onInput={(e) => set_name((e.target as HTMLInputElement).value)} required autofocus spellcheck={false} />}
      </Field>
      <Field label={t("tokens.days")}>
        {(id) => <input id={id} type="number" min={1} max={366} value={days} onInput={(e) => set_days(Number((e.target as HTMLInputElement).value))} />}
      </Field>
    </Dialog>
  );
}

export function Tokens() {
  const t = useText();
  const live = useLive(() => get_all<Schemas["TokenView"]>("/v1/tokens"));
  const [making, set_making] = useState(false);
  const [secret, set_secret] = useState("");
  const end = async (token: Schemas["TokenView"]) => {
    await change("DELETE", `/v1/tokens/${segment(token.id)}`, {}).catch(() => undefined);
    if (token.current) sign_out();
    else live.again();
  };
  return (
    <>
      <div class="title">
        <h1>{t("tokens.title")}</h1>
        <button class="primary" onClick={() => set_making(true)}>
          {t("tokens.new")}
        </button>
      </div>
      <Once words={t("tokens.secret")} secret={secret} />
      <Shown of={live}>
        {(tokens) => (
          <Table heads={["tokens.name", "tokens.created", "tokens.expires", "tokens.used", null]}>
            {tokens.map((token) => (
              <tr key={token.id}>
                <td>
                  {token.name || t("tokens.session")} {token.current && <em class="quiet">({t("tokens.this")})</em>}
                </td>
                <td>{when(token.created)}</td>
                <td>{when(token.expires)}</td>
                <td>{token.last_use ? when(token.last_use) : "–"}</td>
                <td>
                  <button class="danger" onClick={() => end(token)}>
                    {t("tokens.end")}
                  </button>
                </td>
              </tr>
            ))}
          </Table>
        )}
      </Shown>
      {making && <NewToken close={() => (set_making(false), live.again())} told={set_secret} />}
    </>
  );
}
