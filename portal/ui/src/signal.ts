// A value that components follow.
import { useEffect, useState } from "preact/hooks";

export interface Signal<T> {
  readonly value: T;
  set(next: T): void;
  follow(call: () => void): () => void;
}

export function signal<T>(first: T): Signal<T> {
  let held = first;
  const followers = new Set<() => void>();
  return {
    get value() {
      return held;
    },
    set(next) {
      if (Object.is(next, held)) return;
      held = next;
      for (const call of [...followers]) call();
    },
    follow(call) {
      followers.add(call);
      return () => followers.delete(call);
    },
  };
}

export function use<T>(from: Signal<T>): T {
  const [, turn] = useState(0);
  useEffect(() => from.follow(() => turn((n) => n + 1)), [from]);
  return from.value;
}
