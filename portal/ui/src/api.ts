// The API, as tenants use it: requests with this tab's token, and events as they happen.
import type { components } from "./schema";

export type Schemas = components["schemas"];
export type Vm = Schemas["VmView"];
export type Self = Schemas["SelfView"];
export type EventEntry = Schemas["EventView"];
export type Problem = Schemas["Problem"];
export type Operation = Schemas["OperationView"];

// What went wrong, as the API says it. `status` 0: it can't be reached.
export class Refused extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly fields: { path: string; problem: string }[] = [],
  ) {
    super(message);
  }
}

// Of this tab alone, and gone with it: nothing that another site's page could make a browser send along.
const kToken = "bascule.token";
export const token = {
  get: () => sessionStorage.getItem(kToken),
  set: (value: string) => sessionStorage.setItem(kToken, value),
  clear: () => sessionStorage.removeItem(kToken),
};

function headers(more: Record<string, string> = {}): Record<string, string> {
  const held = token.get();
  return held ? { ...more, authorization: `Bearer ${held}` } : more;
}

async function refusal(answer: Response): Promise<Refused> {
  const problem = (await answer.json().catch(() => null)) as Problem | null;
  if (!problem) return new Refused(answer.status, "internal", answer.statusText);
  return new Refused(answer.status, problem.code, problem.detail, problem.errors);
}

const kMostAgain = 4;
const kLongestPause_s = 10;

// How long to wait where too much was asked; 0: that isn't it, or it was tried often enough. A change is never repeated.
function pause_ms(method: string, answer: Response, tries: number): number {
  if (answer.status !== 429 || method !== "GET" || tries >= kMostAgain) return 0;
  return 1000 * Math.min(Math.max(Number(answer.headers.get("retry-after") ?? "1"), 1), kLongestPause_s);
}

// All of its answer; whatever breaks on the way is a Refused.
export async function ask<T>(method: string, path: string, body?: unknown, tries = 0): Promise<T> {
  const content = body === undefined ? {} : { "content-type": "application/json" };
  let answer: Response;
  try {
    answer = await fetch(path, {
      method,
      headers: headers(content as Record<string, string>),
      body: body === undefined ? null : JSON.stringify(body),
      redirect: "error",
    });
    if (answer.ok) return (await answer.json()) as T;
  } catch {
    throw new Refused(0, "unavailable", "");
  }
  const pause = pause_ms(method, answer, tries);
  if (pause === 0) throw await refusal(answer);
  await new Promise((resolve) => setTimeout(resolve, pause));
  return ask<T>(method, path, body, tries + 1);
}

export const get = <T>(path: string) => ask<T>("GET", path);

// All pages of a list.
export async function get_all<T>(path: string): Promise<T[]> {
  const items: T[] = [];
  let after = "";
  for (;;) {
    const query = `${path.includes("?") ? "&" : "?"}limit=1000${after && `&after=${encodeURIComponent(after)}`}`;
    const page = await get<{ items: T[]; next?: string }>(path + query);
    items.push(...page.items);
    if (!page.next || page.next === after) return items;
    after = page.next;
  }
}

// Asks for a change and waits for its end: what is shown is what is, never what should be.
export async function change(method: string, path: string, body: unknown): Promise<Operation> {
  let operation = await ask<Operation>(method, path, body);
  while (operation.state === "running") operation = await get<Operation>(`/v1/operations/${operation.id}?wait=20`);
  if (operation.state === "failed")
    throw new Refused(409, operation.error?.code ?? "internal", operation.error?.message ?? "");
  return operation;
}

export const segment = encodeURIComponent;

// Events, until `over`; begins anew by itself when the connection is lost.
export interface Listener {
  event(entry: EventEntry): void;
  connected(yes: boolean): void;
  ended(): void;
}

export function listen(listener: Listener): () => void {
  const stop = new AbortController();
  void follow(listener, stop.signal);
  return () => stop.abort();
}

async function follow(listener: Listener, stop: AbortSignal): Promise<void> {
  let last = "";
  for (let wait = 250; !stop.aborted; wait = Math.min(wait * 2, 5000)) {
    const began = Date.now();
    const attempt = new AbortController();
    const give_up = () => attempt.abort();
    stop.addEventListener("abort", give_up);
    try {
      const more: Record<string, string> = { accept: "text/event-stream" };
      if (last) more["last-event-id"] = last;
      const answer = await within(kLongestSilence_ms, fetch("/v1/events?wait=20", { headers: headers(more), signal: attempt.signal }));
      if (answer.status === 401) return listener.ended();
      if (!answer.ok || !answer.body) throw new Error();
      listener.connected(true);
      wait = 250;
      last = await read(answer.body, listener, last);
      // The manager itself ends each answer, at its first event; a portal goes on.
      if (Date.now() - began > kShortest_ms) continue;
    } catch {
      if (stop.aborted) return;
      listener.connected(false);
    } finally {
      // One that fell silent would stay open, and with six of them a browser asks nothing more of a portal.
      give_up();
      stop.removeEventListener("abort", give_up);
    }
    await new Promise((resolve) => setTimeout(resolve, wait));
  }
}

const kShortest_ms = 200; // of an answer, before the next is asked for at once

// Every 20 s something comes, be it only the number of the last event.
const kLongestSilence_ms = 45_000;

function within<T>(ms: number, what: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error("silence")), ms);
    what.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

// HTML Living Standard, 9.2; one event's lines end with an empty one. Gives the last id.
async function read(body: ReadableStream<Uint8Array>, listener: Listener, last: string): Promise<string> {
  const reader = body.pipeThrough(new TextDecoderStream() as TransformStream<Uint8Array, string>).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await within(kLongestSilence_ms, reader.read());
    if (done) return last;
    rest += value;
    const events = rest.split("\n\n");
    rest = events.pop() ?? "";
    for (const event of events) last = deliver(event, listener, last);
  }
}

function deliver(text: string, listener: Listener, last: string): string {
  const field = (name: string) =>
    text
      .split("\n")
      .filter((line) => line.startsWith(`${name}: `))
      .map((line) => line.slice(name.length + 2))
      .join("\n");
  const kind = field("event");
  if (kind === "ended") listener.ended();
  else if (kind === "unavailable" || kind === "available") listener.connected(kind === "available");
  else if (field("data")) listener.event(JSON.parse(field("data")) as EventEntry);
  return field("id") || last;
}
