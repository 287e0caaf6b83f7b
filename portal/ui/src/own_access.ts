// For whom one of the staff is at work.
import { get, type Schemas, type Vm } from "./api";
import { type Live, useLive } from "./live";
import { may, type Who } from "./who";

export type Access = Schemas["AccessSession"];

export function useOwnAccess(staff: Who): Live<Access[]> {
  const sees = may(staff, "see_access");
  return useLive(async () => {
    const all = sees ? (await get<Schemas["AccessSessionList"]>("/v1/access")).items : [];
    return all.filter((session) => session.by === staff.user);
  }, [staff.user, sees]);
}

// Whose a machine is; lists tell it without a reason. Nothing where there is none.
export async function tenant_of(id: string): Promise<string> {
  let after = "";
  for (;;) {
    const page = await get<{ items: Vm[]; next?: string }>(`/v1/vms?limit=1000${after && `&after=${encodeURIComponent(after)}`}`);
    const found = page.items.find((vm) => vm.id === id || vm.name === id);
    if (found) return found.tenant ?? "";
    if (!page.next || page.next === after) return "";
    after = page.next;
  }
}
