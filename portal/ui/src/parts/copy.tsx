// Text that somebody takes elsewhere as it stands.
import { useState } from "preact/hooks";
import { useText } from "../text";

export function Copy({ text }: { text: string }) {
  const t = useText();
  const [copied, set_copied] = useState("");
  return (
    <div class="copy">
      <code tabIndex={0}>{text}</code>
      <button type="button" onClick={() => navigator.clipboard.writeText(text).then(() => set_copied(text), () => set_copied(""))}>
        <span aria-live="polite">{t(copied === text ? "app.copied" : "app.copy")}</span>
      </button>
    </div>
  );
}
