// Small things that every page has.
import type { ComponentChildren } from "preact";
import type { Refused } from "../api";
import type { Live } from "../live";
import { useText, word } from "../text";
import type { Key } from "../text/en";

export function words_of(error: Refused, unreachable: string): string {
  return error.status === 0 && error.message === "" ? unreachable : error.message;
}

export function Failure({ error }: { error: Refused }) {
  const t = useText();
  return (
    <div class="failure" role="alert">
      <strong>{t("error.title")}</strong>
      <p>{words_of(error, t("app.unreachable"))}</p>
      {error.fields.length > 1 && (
        <ul>
          {error.fields.map((field) => (
            <li key={field.path}>
              {field.path}: {field.problem}
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

// What is there, or that it is being fetched, or why it isn't there.
export function Shown<T>({ of, children }: { of: Live<T>; children: (value: T) => ComponentChildren }) {
  const t = useText();
  if (of.value !== undefined)
    return (
      <>
        {of.error && of.error.status !== 0 && <Failure error={of.error} />}
        {children(of.value)}
      </>
    );
  if (!of.error) return <p class="quiet" aria-busy="true">{t("app.loading")}</p>;
  return (
    <div>
      <Failure error={of.error} />
      <button onClick={of.again}>{t("app.retry")}</button>
    </div>
  );
}

export function State({ state }: { state: string }) {
  useText();
  return <span class={`state state-${state}`}>{word("state", state)}</span>;
}

export function Field(props: { label: string; hint?: string; children: (id: string) => ComponentChildren }) {
  const id = `f-${props.label.replace(/\W+/g, "-")}`;
  return (
    <div class="field">
      <label for={id}>{props.label}</label>
      {props.children(id)}
      {props.hint && (
        <small class="quiet" id={`${id}-hint`}>
          {props.hint}
        </small>
      )}
    </div>
  );
}

// A head of null is of a column that says itself what it is.
export function Table({ heads, children }: { heads: (Key | null)[]; children: ComponentChildren }) {
  const t = useText();
  return (
    <div class="scroll" tabIndex={0} role="group" aria-label={t("app.table")}>
      <table>
        <thead>
          <tr>
            {heads.map((head) => (
              <th scope="col" key={head}>
                {head && t(head)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  );
}

// What is shown once, and nobody can ask for again.
export function Once({ words, secret }: { words: string; secret: string }) {
  if (!secret) return null;
  return (
    <p class="banner access" role="status">
      {words} <code>{secret}</code>
    </p>
  );
}
