// What the provider's staff get of the API; it isn't in the description for tenants, so its shapes stand here.
// It stands alone: the made-up provider of the tests is checked against it.
export interface Told {
  number: number;
  at: number;
  actor: string;
  what: string;
  subject: string;
  reason: string;
  words: string;
  facts: Record<string, string>;
}
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
  channels: { name: string; problem: string }[];
  replication: { from: string; volumes: number; following: number; behind_ms?: number }[];
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
  network?: { received_bytes: number; sent_bytes: number; link_bytes: number };
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
  not_before?: number;
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
export interface IncidentStory extends Incident {
  timeline: Told[];
  cut: boolean;
}

// The busier way of its links.
export const busier = (network: NonNullable<Host["network"]>): number => Math.max(network.received_bytes, network.sent_bytes);

// Of bytes a second, in bits, as links are sold.
export function rate(bytes: number): string {
  const megabits = (bytes * 8) / 1e6;
  return megabits < 1000 ? `${megabits.toFixed(megabits < 10 ? 1 : 0)} Mbit/s` : `${(megabits / 1000).toFixed(1)} Gbit/s`;
}

export interface Explanation {
  evidence: { host: string; evidence: { type: string; at: number } }[];
  trail: Told[];
}
