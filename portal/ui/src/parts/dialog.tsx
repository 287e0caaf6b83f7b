// A dialog of its own, with its form: what is asked is done when its button is pressed, and it stays until that has ended.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { Refused } from "../api";
import { useText } from "../text";
import { Failure } from "./basic";

export interface DialogProps {
  title: string;
  go: string;
  danger?: boolean;
  ready?: boolean; // what was filled in is enough
  act: () => Promise<void>;
  close: () => void; // nothing was done, or it is done and there is no `done`
  done?: () => void;
  children?: ComponentChildren;
}

export function Dialog({ title, go, danger = false, ready = true, act, close, done = close, children }: DialogProps) {
  const t = useText();
  const place = useRef<HTMLDialogElement>(null);
  const [busy, set_busy] = useState(false);
  const [error, set_error] = useState<Refused | null>(null);
  useEffect(() => place.current?.showModal(), []);
  const submit = async (event: Event) => {
    event.preventDefault();
    set_busy(true);
    set_error(null);
    try {
      await act();
      done();
    } catch (refused) {
      set_error(refused instanceof Refused ? refused : new Refused(500, "internal", String(refused)));
      set_busy(false);
    }
  };
  return (
    <dialog ref={place} onClose={close} aria-labelledby="dialog-title">
      <form onSubmit={submit}>
        <h2 id="dialog-title">{title}</h2>
        {children}
        {error && <Failure error={error} />}
        <div class="buttons">
          <button type="button" onClick={close} disabled={busy}>
            {t("app.cancel")}
          </button>
          <button type="submit" class={danger ? "danger" : "primary"} disabled={busy || !ready}>
            {busy ? t("machine.working") : go}
          </button>
        </div>
      </form>
    </dialog>
  );
}
