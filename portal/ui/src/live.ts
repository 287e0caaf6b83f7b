// What is shown follows what happens: whatever was fetched is fetched again when an event says that something changed,
// twice a second at most, however many events come.
import { useEffect, useRef, useState } from "preact/hooks";
import { type EventEntry, get, listen, type Refused, token } from "./api";
import { signal, use } from "./signal";

export const signed_in = signal(token.get() !== null);
export const connected = signal(true);
export const recent = signal<readonly EventEntry[]>([]);
const changed = signal(0);

const kEvery_ms = 500;
const kWithoutEvents_ms = 10_000;
const kRest = 3; // times what a fetch took: what is long to fetch, as thousands of machines, takes a quarter of the line at most
const kLongestRest_ms = 5000;
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

// What is to be forgotten then.
const forgets: (() => void)[] = [];
export const at_sign_out = (call: () => void) => void forgets.push(call);

export function sign_out(): void {
  token.clear();
  waiting = [];
  if (timer !== null) clearTimeout(timer);
  timer = null;
  for (const forget of forgets) forget();
  recent.set([]);
  connected.set(true);
  signed_in.set(false);
}

// While somebody is signed in; who may not follow looks again every now and then.
export function useEvents(may: boolean, by_certificate = false): void {
  const signed = use(signed_in);
  const here = by_certificate || signed;
  useEffect(() => {
    if (!here) return undefined;
    if (!may) {
      const look = setInterval(soon, kWithoutEvents_ms);
      return () => clearInterval(look);
    }
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
      // It may be the right to follow alone that has ended.
      ended() {
        get("/v1/me").then(soon, (error: Refused) => error.status === 401 && sign_out());
      },
    });
  }, [here, may]);
}

export interface Live<T> {
  value?: T;
  error?: Refused;
  again(): void;
}

// `every_ms`: what changes without an event is fetched again so often.
export function useLive<T>(fetch_it: () => Promise<T>, on: unknown[] = [], every_ms = 0): Live<T> {
  return useFetched(fetch_it, on, use(changed), every_ms);
}

// What the provider's staff look at of a tenant's is noted each time, which is an event itself: fetched again only when
// something else happened to just these subjects.
const kLooks = new Set(["look_at", "refuse_access"]);
export function useLook<T>(fetch_it: () => Promise<T>, on: unknown[], subjects: readonly string[]): Live<T> {
  const newest = useRef(0);
  const last = use(recent).find((entry) => subjects.includes(entry.subject) && !kLooks.has(entry.what));
  newest.current = Math.max(newest.current, last?.number ?? 0);
  return useFetched(fetch_it, on, newest.current, 0);
}

function useFetched<T>(fetch_it: () => Promise<T>, on: unknown[], turn: number, every_ms: number): Live<T> {
  const [held, hold] = useState<{ value?: T; error?: Refused }>({});
  const [asked, ask_again] = useState(0);
  const state = useRef({ life: 0, looked: 0, busy: false, again: false });
  const fetch_now = () => {
    const here = state.current;
    const { life } = here;
    const began = Date.now();
    here.busy = true;
    here.again = false;
    const rested = () => {
      if (here.life !== life) return;
      here.busy = false;
      if (here.again) fetch_now();
    };
    const ended = (how: () => void) => {
      if (here.life !== life) return;
      how();
      setTimeout(rested, Math.min(kRest * (Date.now() - began), kLongestRest_ms));
    };
    fetch_it().then(
      (value) => ended(() => hold({ value })),
      (error: Refused) =>
        ended(() => {
          if (error.status === 401) sign_out();
          // What was seen before stays, unless it is gone, or none of theirs.
          else hold((before) => (error.status === 403 || error.status === 404 ? { error } : { ...before, error }));
        }),
    );
  };
  // Of another thing: what comes of the one before is nobody's.
  useEffect(() => {
    state.current = { life: state.current.life + 1, looked: turn + asked, busy: false, again: false };
    fetch_now();
    return () => {
      state.current.life++;
    };
  }, on);
  // One at a time, however often something changes meanwhile: then once more.
  useEffect(() => {
    if (state.current.looked === turn + asked) return;
    state.current.looked = turn + asked;
    if (state.current.busy) state.current.again = true;
    else fetch_now();
  }, [turn, asked]);
  useEffect(() => {
    const timer = every_ms > 0 ? setInterval(() => ask_again((n) => n + 1), every_ms) : null;
    return () => timer !== null && clearInterval(timer);
  }, [every_ms]);
  return { ...held, again: () => ask_again((n) => n + 1) };
}
