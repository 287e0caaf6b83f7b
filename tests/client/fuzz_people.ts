// Who asks: the tenants' users of the fuzz, and one request of theirs.
import { createHmac } from "node:crypto";

export type Role = "owner" | "operator" | "viewer" | "auditor" | "scratch";

export interface Reply {
  status: number;
  headers: Headers;
  text: string;
  json: unknown;
  id: string; // of the request
  seconds: number; // until it was answered
}

export interface Asked {
  method: string;
  path: string;
  body?: string;
  token?: string;
  prefer?: boolean;
  conditions?: Record<string, string>; // more headers
}

export interface Disk {
  pool: string;
  volume: string;
}

export class Person {
  token = "";
  password: string;
  disks = new Map<string, Disk>(); // by machine, of those that they have seen
  watch_token = ""; // that may see machines
  secret = ""; // of the second factor
  tokens: string[] = []; // ids of API tokens
  operations: string[] = []; // ids
  accesses: string[] = []; // ids of the provider's sessions that they have seen

  constructor(
    readonly url: string,
    readonly tenant: string,
    readonly role: Role,
    password: string,
  ) {
    this.password = password;
  }
  get name(): string {
    return `${this.tenant}/${this.role}`;
  }

  async ask(asked: Asked): Promise<Reply> {
    const headers: Record<string, string> = { ...asked.conditions };
    if (asked.body !== undefined) headers["content-type"] = "application/json";
    if (asked.token) headers["authorization"] = `Bearer ${asked.token}`;
    if (asked.prefer) headers["prefer"] = "respond-async";
    const started = Date.now();
    const answer = await fetch(this.url + asked.path, { method: asked.method, headers, body: asked.body });
    const text = await answer.text();
    let json: unknown;
    try {
      json = JSON.parse(text);
    } catch {
      json = undefined;
    }
    const id = answer.headers.get("x-request-id") ?? "";
    return { status: answer.status, headers: answer.headers, text, json, id, seconds: (Date.now() - started) / 1000 };
  }

  // Why not; empty: they are signed in.
  async sign_in(): Promise<string> {
    const body = JSON.stringify({ user: this.name, password: this.password, code: this.secret ? code_of(this.secret) : "" });
    const reply = await this.ask({ method: "POST", path: "/v1/sessions", body });
    if (reply.status === 201) this.token = (reply.json as { token: string }).token;
    return reply.status === 201 ? "" : reply.text;
  }
}

// RFC 6238: of base32, six digits, 30 s, SHA-1.
export function code_of(secret: string): string {
  const bits = [...secret].map((c) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(c).toString(2).padStart(5, "0")).join("");
  const key = Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => parseInt(byte, 2)));
  const step = Buffer.alloc(8);
  step.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000)));
  const digest = createHmac("sha1", key).update(step).digest();
  const number = digest.readUInt32BE((digest[19] ?? 0) & 15) & 0x7fffffff;
  return String(number % 1_000_000).padStart(6, "0");
}
