import { useState } from "preact/hooks";
import { ask, Refused, token } from "../api";
import { signed_in } from "../live";
import { Failure, Field } from "../parts/basic";
import { language, speak, useText } from "../text";

export function SignIn() {
  const t = useText();
  const [invited, set_invited] = useState(false);
  const [error, set_error] = useState<Refused | null>(null);
  const [busy, set_busy] = useState(false);
  const [user, set_user] = useState("");
  const [password, set_password] = useState("");
  const [second, set_second] = useState(""); // the code, or the invitation

  const submit = async (event: Event) => {
    event.preventDefault();
    set_busy(true);
    set_error(null);
    try {
      if (invited) await ask("POST", "/v1/passwords", { user, invitation: second, password });
      const body = { user, password, ...(second && !invited ? { code: second } : {}) };
      token.set((await ask<{ token: string }>("POST", "/v1/sessions", body)).token);
      signed_in.set(true);
    } catch (refused) {
      set_error(refused as Refused);
      set_busy(false);
    }
  };
  const typed = (set: (text: string) => void) => (event: Event) => set((event.target as HTMLInputElement).value);
  return (
    <main class="narrow" id="content">
      <img src="/icon.svg" alt="" width="56" height="56" />
      <h1>{t("app.name")}</h1>
      <form onSubmit={submit} aria-label={t("sign_in.title")}>
        <Field label={t("sign_in.user")} hint={t("sign_in.user_hint")}>
          {(id) => <input id={id} value={user} onInput={typed(set_user)} autocomplete="username" required autofocus spellcheck={false} />}
        </Field>
        {invited && (
          <Field label={t("sign_in.invitation")}>
            {(id) => <input id={id} value={second} onInput={typed(set_second)} autocomplete="off" required spellcheck={false} />}
          </Field>
        )}
        <Field label={t(invited ? "sign_in.new_password" : "sign_in.password")}>
          {(id) => (
            <input id={id} type="password" value={password} onInput={typed(set_password)} required
              autocomplete={invited ? "new-password" : "current-password"} />
          )}
        </Field>
        {!invited && (
          <Field label={t("sign_in.code")} hint={t("sign_in.code_hint")}>
            {(id) => <input id={id} value={second} onInput={typed(set_second)} autocomplete="one-time-code" spellcheck={false} />}
          </Field>
        )}
        {error && <Failure error={error} />}
        <button type="submit" class="primary wide" disabled={busy}>
          {t(invited ? "sign_in.set" : "sign_in.go")}
        </button>
        <button type="button" class="plain" onClick={() => (set_invited(!invited), set_second(""), set_error(null))}>
          {t(invited ? "sign_in.back" : "sign_in.invited")}
        </button>
        <button type="button" class="plain" onClick={() => speak(language.value === "fr" ? "en" : "fr")}>
          {t("app.language")}
        </button>
      </form>
    </main>
  );
}
