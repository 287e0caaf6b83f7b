// What is shown follows what happens: whatever was fetched is fetched again when an event says that something changed,
// twice a second at most, however many events come.
import { useEffect, useState } from "preact/hooks";
import { type EventEntry, listen, Refused, token } from "./api";
import { signal, use } from "./signal";

export const signed_in = signal(token.get() !== null);
export const connected = signal(true);
export const recent = signal<readonly EventEntry[]>([]);
const changed = signal(0);

const kEvery_ms = 500;
const kKept = 200;
let waiting: EventEntry[] = [];
let timer: ReturnType<typeof setTimeout> | null = null;

function pass_on(): void {
  timer = null;
  if (waiting.length) recent.set([...waiting.reverse(), ...recent.value].slice(0, kKept));
  waiting = [];
  changed.set(changed.value + 1);
}

function soon(): void {
  timer ??= setTimeout(pass_on, kEvery_ms);
}

export function sign_out(): void {
  token.clear();
  recent.set([]);
  signed_in.set(false);
}

// While somebody is signed in.
export function useEvents(by_certificate = false): void {
  const signed = use(signed_in);
  const here = by_certificate || signed;
  useEffect(() => {
    if (!here) return undefined;
    return listen({
      event(entry) {
        waiting.push(entry);
        if (waiting.length > kKept) waiting.shift();
        soon();
      },
      connected(yes) {
        if (yes !== connected.value) soon();
        connected.set(yes);
      },
      ended: sign_out,
    });
  }, [here]);
}

export interface Live<T> {
  value?: T;
  error?: Refused;
  again(): void;
}

// `every_ms`: what changes without an event is fetched again so often.
export function useLive<T>(fetch_it: () => Promise<T>, on: unknown[] = [], every_ms = 0): Live<T> {
  const turn = use(changed);
  const [held, hold] = useState<{ value?: T; error?: Refused }>({});
  const [asked, ask_again] = useState(0);
  useEffect(() => {
    let over = false;
    fetch_it().then(
      (value) => over || hold({ value }),
      (error: Refused) => {
        if (over) return;
        if (error.status === 401) sign_out();
        // What was seen before stays, while the connection is away.
        else hold((before) => (error.status === 0 || error.status >= 500 ? { ...before, error } : { error }));
      },
    );
    return () => {
      over = true;
    };
  }, [turn, asked, ...on]);
  useEffect(() => {
    const timer = every_ms > 0 ? setInterval(() => ask_again((n) => n + 1), every_ms) : null;
    return () => timer !== null && clearInterval(timer);
  }, [every_ms]);
  return { ...held, again: () => ask_again((n) => n + 1) };
}
