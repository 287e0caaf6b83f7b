// Delivery is accepted once, and for good: said in full before, and the key is tried that will be needed from then on.
import { useState } from "preact/hooks";
import { change, segment, type Vm } from "../api";
import { useText } from "../text";
import type { Who } from "../who";
import { Dialog } from "./dialog";
import { useKeyFiles } from "./tenant_key";

export function Accept({ vm, self, close }: { vm: Vm; self: Who; close: () => void }) {
  const t = useText();
  const [understood, set_understood] = useState(false);
  const files = useKeyFiles(self, t("accept.key_hint"));
  const act = async () => {
    const key = await files.read();
    await change("POST", `/v1/vms/${segment(vm.id)}/accept`, {});
    files.keep(key);
  };
  return (
    <Dialog title={t("accept.title", { name: vm.name })} go={t("machine.accept")} danger ready={understood} act={act} close={close}>
      <p>{t("accept.no_more")}</p>
      <ul>
        <li>{t("accept.console")}</li>
        <li>{t("accept.contents")}</li>
        <li>{t("accept.delete")}</li>
      </ul>
      <p>{t("accept.still")}</p>
      <p>{t("accept.for_good")}</p>
      {files.fields}
      <label class="check">
        <input type="checkbox" checked={understood} onChange={(e) => set_understood((e.target as HTMLInputElement).checked)} />
        {t("accept.understood")}
      </label>
    </Dialog>
  );
}
