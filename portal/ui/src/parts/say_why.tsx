// What stands instead of a tenant's machine, until one of the staff has said why they look.
import { useEffect, useState } from "preact/hooks";
import { tenant_of } from "../own_access";
import { useText } from "../text";
import { may, type Who } from "../who";
import { OpenAccess } from "./open_access";

export function SayWhy({ id, staff, done }: { id: string; staff: Who; done: () => void }) {
  const t = useText();
  const [tenant, set_tenant] = useState<string | null>(null);
  const [opening, set_opening] = useState(true);
  useEffect(() => {
    void tenant_of(id).then(set_tenant, () => set_tenant(""));
  }, [id]);
  return (
    <section>
      <h1>{t("open.first")}</h1>
      <p>{t("open.first_why")}</p>
      {may(staff, "open_access") && (
        <button class="primary" disabled={tenant === null} onClick={() => set_opening(true)}>
          {t("open.title")}
        </button>
      )}
      {opening && tenant !== null && may(staff, "open_access") && (
        <OpenAccess tenant={tenant} close={() => set_opening(false)} done={() => (set_opening(false), done())} />
      )}
    </section>
  );
}
