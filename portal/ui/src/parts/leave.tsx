// What gets somebody inside a delivered machine: its tenant's key, or what the tenant signed for one of the provider's staff.
import type { ComponentChildren } from "preact";
import type { Vm } from "../api";
import type { Leave, Purpose } from "../grant";
import type { Who } from "../who";
import { useGrantFile } from "./grant_file";
import { useTenantKey } from "./tenant_key";

export interface Leaving {
  fields: ComponentChildren;
  // Before asking. No leave where none is needed or at hand; `way` goes behind the path, `keep` is for when it has served.
  sign(purpose: Purpose): Promise<{ leave?: Leave; way: "" | "/granted"; keep(): void }>;
}

// Nobody becomes one of the other kind in a tab's life.
export function useLeave(vm: Vm, who: Who, reason: string, snapshot = ""): Leaving {
  return who.tenant === undefined ? useGrantFile(vm, who, reason, snapshot) : useTenantKey(vm, who);
}
