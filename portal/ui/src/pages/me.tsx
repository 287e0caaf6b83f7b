// What a tenant's user has of their own: who they are here, and their second factor.
import { useState } from "preact/hooks";
import { ask, change, get, type Schemas, type Self } from "../api";
import { useLook } from "../live";
import { Field, Shown } from "../parts/basic";
import { Copy } from "../parts/copy";
import { Dialog } from "../parts/dialog";
import { Qr } from "../parts/qr";
import { useText, word } from "../text";

function Code({ label, hint, value, set }: { label: string; hint?: string; value: string; set: (code: string) => void }) {
  return (
    <Field label={label} {...(hint && { hint })}>
      {(id) => (
        <input id={id} value={value} onInput={(e) => set((e.target as HTMLInputElement).value.trim())} required autocomplete="one-time-code"
          spellcheck={false} />
      )}
    </Field>
  );
}

function SetUp({ self, close, told }: { self: Self; close: () => void; told: (codes: string[]) => void }) {
  const t = useText();
  const [code, set_code] = useState("");
  const [before, set_before] = useState("");
  const offer = useLook(() => ask<Schemas["FactorOffer"]>("POST", "/v1/me/second-factor"), [], []);
  const act = async () => {
    const body = { secret: offer.value?.secret, code, ...(self.second_factor && { before }) };
    told((await ask<Schemas["RecoveryCodes"]>("PUT", "/v1/me/second-factor", body)).recovery_codes);
  };
  const ready = offer.value !== undefined && code !== "" && (!self.second_factor || before !== "");
  return (
    <Dialog title={t("factor.title")} go={t("factor.set")} act={act} close={close} ready={ready}>
      <Shown of={offer}>
        {({ secret, uri }) => (
          <>
            <p>{t("factor.scan")}</p>
            <Qr text={uri} label={t("factor.qr")} />
            <p>
              <a href={uri}>{t("factor.link")}</a>
            </p>
            <p class="quiet">{t("factor.secret")}</p>
            <Copy text={secret} />
          </>
        )}
      </Shown>
      <Code label={t("factor.code")} hint={t("factor.code_hint")} value={code} set={set_code} />
      {self.second_factor && <Code label={t("factor.before")} hint={t("factor.before_hint")} value={before} set={set_before} />}
      <p class="quiet">{t("factor.ends_others")}</p>
    </Dialog>
  );
}

function Remove({ close }: { close: () => void }) {
  const t = useText();
  const [code, set_code] = useState("");
  const act = async () => void (await change("DELETE", "/v1/me/second-factor", { code }));
  return (
    <Dialog title={t("factor.confirm_remove")} go={t("factor.remove")} danger act={act} close={close} ready={code !== ""}>
      <Code label={t("factor.before")} hint={t("factor.before_hint")} value={code} set={set_code} />
    </Dialog>
  );
}

function Recovery({ codes }: { codes: string[] }) {
  const t = useText();
  if (codes.length === 0) return null;
  return (
    <section class="banner access" role="status">
      <p>{t("factor.recovery")}</p>
      <ul class="plain codes">
        {codes.map((code) => (
          <li key={code}>
            <code>{code}</code>
          </li>
        ))}
      </ul>
    </section>
  );
}

export function Me() {
  const t = useText();
  const live = useLook(() => get<Self>("/v1/me"), [], []);
  const [doing, set_doing] = useState<"set" | "remove" | null>(null);
  const [codes, set_codes] = useState<string[]>([]);
  const close = () => (set_doing(null), live.again());
  return (
    <Shown of={live}>
      {(self) => (
        <>
          <div class="title">
            <h1>{self.user}</h1>
          </div>
          <p class="quiet">{[...self.roles, ...self.own_roles].join(", ")}</p>
          <p class="quiet">{self.permissions.map((one) => word("permission", one)).join(", ")}</p>
          <h2>{t("people.second_factor")}</h2>
          {self.rules.second_factor && !self.second_factor && <p class="banner warning">{t("factor.asked_for")}</p>}
          <p>{self.second_factor ? t("factor.is_set", { n: self.recovery_codes }) : t("factor.is_not_set")}</p>
          <Recovery codes={codes} />
          <div class="buttons">
            <button class="primary" onClick={() => set_doing("set")}>
              {t(self.second_factor ? "factor.replace" : "factor.title")}
            </button>
            {self.second_factor && (
              <button class="danger" onClick={() => set_doing("remove")}>
                {t("factor.remove")}
              </button>
            )}
          </div>
          {doing === "set" && <SetUp self={self} close={close} told={set_codes} />}
          {doing === "remove" && <Remove close={() => (set_codes([]), close())} />}
        </>
      )}
    </Shown>
  );
}
