// A leave for oneself, signed by the tenant's key in this tab (base/custody.h has what is signed): Ed25519, or ECDSA on P-256.
export interface TenantKey {
  key: CryptoKey;
  pin: Record<string, unknown>;
}

export type Leave = Record<string, unknown> & { signature: string };

export type Purpose = { operation: "console"; reason: string } | { operation: "roll_back"; reason: string; snapshot: string };

const kLeave_ms = 30 * 60_000;

function bytes_of(pem: string): Uint8Array<ArrayBuffer> {
  const body = pem.replace(/-----[^-]+-----/g, "").replace(/\s+/g, "");
  return Uint8Array.from(atob(body), (c) => c.charCodeAt(0));
}

const signs_by = (name: string) => (name === "ECDSA" ? { name, hash: "SHA-256" } : { name });

// Fails unless the pin is of just this key.
export async function read_key(key: File, pin: File): Promise<TenantKey> {
  const der = bytes_of(await key.text());
  const take = (algorithm: AlgorithmIdentifier | EcKeyImportParams) => crypto.subtle.importKey("pkcs8", der, algorithm, false, ["sign"]);
  const held = await take({ name: "Ed25519" }).catch(() => take({ name: "ECDSA", namedCurve: "P-256" }));
  const vouched = JSON.parse(await pin.text()) as Record<string, unknown>;
  const by = signs_by(held.algorithm.name);
  const theirs = await crypto.subtle.importKey("spki", bytes_of(String(vouched["key"])), held.algorithm, false, ["verify"]);
  const probe = crypto.getRandomValues(new Uint8Array(32));
  if (!(await crypto.subtle.verify(by, theirs, await crypto.subtle.sign(by, held, probe), probe))) throw new Error("another key's pin");
  return { key: held, pin: vouched };
}

// Members in alphabetical order, without blanks.
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonical(member)}`).join(",")}}`;
}

export async function sign_leave(held: TenantKey, vm: string, who: string, purpose: Purpose): Promise<Leave> {
  const now = Date.now();
  const grant = {
    vm,
    operations: [purpose.operation],
    who,
    reason: purpose.reason,
    not_before: now,
    not_after: now + kLeave_ms,
    nonce: crypto.randomUUID().replaceAll("-", ""),
    pin: held.pin,
    signature: "",
    ...("snapshot" in purpose && { snapshot: purpose.snapshot }),
  };
  const text = new TextEncoder().encode(`bascule grant 1\n${canonical(grant)}`);
  const signature = new Uint8Array(await crypto.subtle.sign(signs_by(held.key.algorithm.name), held.key, text));
  return { ...grant, signature: [...signature].map((byte) => byte.toString(16).padStart(2, "0")).join("") };
}
