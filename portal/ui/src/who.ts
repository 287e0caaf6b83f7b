// Who looks at the pages: a tenant's user, or one of the provider's staff.
import { segment, type Vm } from "./api";

export interface Who {
  user: string;
  permissions: readonly string[];
  tenant?: string; // none: one of the provider's staff, who came by certificate
}

export const may = (who: Who, permission: string) => who.permissions.includes(permission);

// What is inside a delivered machine is its tenant's alone.
export const gets_inside = (who: Who, vm: Vm) => who.tenant !== undefined || !vm.delivered;

// Staff go by ids: a name says whose a machine is.
export const page_of = (who: Who, vm: Vm) => `/machines/${segment(who.tenant === undefined ? vm.id : vm.name)}`;

export const name_in_tenant = (vm: Vm) => (vm.tenant && vm.name.startsWith(`${vm.tenant}/`) ? vm.name.slice(vm.tenant.length + 1) : vm.name);
