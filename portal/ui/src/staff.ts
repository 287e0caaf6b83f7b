// What the provider's staff get of the API; it isn't in the description for tenants, so its shapes stand here.
export interface Staff {
  user: string;
  permissions: string[];
}
export interface Status {
  word: string;
  cluster: string;
  version: string;
  counts: Record<string, number>;
  attention: string[];
  not_automatic: string[];
}
export interface Host {
  id: string;
  name: string;
  site: string;
  phase: string;
  reason: string;
  session: boolean;
  quarantined: boolean;
  fencing: { state: string; because: string };
  capacity: { memory_mib: number; vcpus: number };
  used: { memory_mib: number; vcpus: number; vms: number };
  faults: string[];
  vms: string[];
}
export interface PlanItem {
  vm: string;
  name: string;
  from: { host: string };
  to: { host: string };
  phase: string;
  why_safe?: string;
  despite?: string;
}
export interface Plan {
  id: string;
  digest: string;
  phase: string;
  items: PlanItem[];
  created: number;
  expires: number;
  author: string;
  approved_by?: string;
  reason?: string;
}
export interface Incident {
  id: string;
  kind: string;
  site?: string;
  hosts: string[];
  vms: string[];
  switched: string[];
  opened: number;
  closed?: number;
}
