import { useState } from "preact/hooks";
import { change, get, type Schemas } from "../api";
import { useLive } from "../live";
import { go } from "../router";
import { useText } from "../text";
import { Field } from "./basic";
import { Dialog } from "./dialog";
import { QuotaUsed } from "./quota";

export function CreateMachine({ close }: { close: () => void }) {
  const t = useText();
  const images = useLive(async () => (await get<Schemas["ImageViewList"]>("/v1/images")).items);
  const quota = useLive(() => get<Schemas["QuotaView"]>("/v1/quota"));
  const [form, set_form] = useState({ name: "", image: "", size_mib: 1024, memory_mib: 1024, vcpus: 1, key: "" });
  const set = (name: string) => (event: Event) => {
    const input = event.target as HTMLInputElement;
    set_form({ ...form, [name]: input.type === "number" ? Number(input.value) : input.value });
  };
  const act = async () => {
    const { key, image, ...rest } = form;
    await change("POST", "/v1/vms", { ...rest, ...(image && { image }), ssh_keys: key.trim() ? [key.trim()] : [] });
    go(`/machines/${form.name}`);
  };
  return (
    <Dialog title={t("create.title")} go={t("create.go")} act={act} close={close} ready={form.name !== ""}>
      {quota.value && <QuotaUsed quota={quota.value} />}
      <Field label={t("machines.name")}>
        {(id) => <input id={id} value={form.name} onInput={set("name")} required pattern="[A-Za-z0-9][A-Za-z0-9._\-]*" maxlength={40} spellcheck={false} />}
      </Field>
      <Field label={t("create.image")}>
        {(id) => (
          <select id={id} value={form.image} onChange={set("image")}>
            <option value="">{t("create.empty_volume")}</option>
            {(images.value ?? [])
              .filter((image) => image.kind === "disk" && (image.state ?? "ready") === "ready")
              .map((image) => (
                <option key={image.name} value={image.name}>
                  {image.name} {image.description}
                </option>
              ))}
          </select>
        )}
      </Field>
      <Field label={t("create.volume")}>
        {(id) => <input id={id} type="number" min={1} value={form.size_mib} onInput={set("size_mib")} required />}
      </Field>
      <Field label={t("create.memory")}>
        {(id) => <input id={id} type="number" min={16} value={form.memory_mib} onInput={set("memory_mib")} required />}
      </Field>
      <Field label={t("create.vcpus")}>
        {(id) => <input id={id} type="number" min={1} max={512} value={form.vcpus} onInput={set("vcpus")} required />}
      </Field>
      <Field label={t("create.key")} hint={t("create.key_hint")}>
        {(id) => <textarea id={id} rows={2} value={form.key} onInput={set("key")} spellcheck={false} />}
      </Field>
    </Dialog>
  );
}
