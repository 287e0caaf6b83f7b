// A table of however many rows: only those that are seen are there, all of one height (44 px, as in style.css).
// A grid as in WAI-ARIA's practices: one stop of the tabulator, arrows within; readers hear of how many rows each is.
import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { useText } from "../text";
import type { Key } from "../text/en";

const kRow = 44;
const kAround = 12; // rows beyond those that are seen

export interface Column<T> {
  head: Key;
  cell: (item: T) => ComponentChildren;
  tone?: (item: T) => string;
  wide_only?: boolean;
}

interface Props<T> {
  label: string;
  kind: string; // a class of style.css: the columns' widths
  items: readonly T[];
  columns: Column<T>[];
}

// The rows within the window, however the page is scrolled.
function useSpan(count: number) {
  const place = useRef<HTMLDivElement>(null);
  const [span, set_span] = useState({ first: 0, last: 60 });
  useEffect(() => {
    const look = () => {
      const top = place.current?.getBoundingClientRect().top ?? 0;
      const first = Math.max(0, Math.floor(-top / kRow) - kAround);
      const last = Math.ceil((innerHeight - top) / kRow) + kAround;
      set_span((before) => (before.first === first && before.last === last ? before : { first, last }));
    };
    look();
    addEventListener("scroll", look, { passive: true });
    addEventListener("resize", look);
    return () => {
      removeEventListener("scroll", look);
      removeEventListener("resize", look);
    };
  }, [count]);
  return { place, span };
}

export function LongTable<T extends { id: string }>({ label, kind, items, columns }: Props<T>) {
  const t = useText();
  const { place, span } = useSpan(items.length);
  const [chosen, choose] = useState<string>();
  const moved = useRef(false);
  const found = items.findIndex((item) => item.id === chosen);
  const at = Math.max(0, found);
  useLayoutEffect(() => {
    if (!moved.current) return;
    moved.current = false;
    const row = place.current?.querySelector<HTMLElement>('[tabindex="0"]');
    row?.scrollIntoView({ block: "nearest" });
    row?.focus({ preventScroll: true });
  });
  const press = (event: KeyboardEvent) => {
    const page = Math.max(1, Math.floor(innerHeight / kRow) - 2);
    const steps: Record<string, number> = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -items.length, End: items.length };
    const step = steps[event.key];
    if (event.key === "Enter" && event.target instanceof HTMLElement) event.target.querySelector("a")?.click();
    if (step === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    moved.current = true;
    choose(items[Math.min(items.length - 1, Math.max(0, at + step))]?.id);
  };
  // What is chosen stays there when it is scrolled away, or the keyboard would fall out of the table.
  const last = Math.min(items.length, span.last);
  const there = Array.from({ length: Math.max(0, last - span.first) }, (_, i) => span.first + i);
  if (at < span.first) there.unshift(at);
  else if (at >= last && at < items.length) there.push(at);
  return (
    <div role="grid" class={`long ${kind}`} aria-label={label} aria-rowcount={items.length + 1}>
      <div role="rowgroup">
        <div role="row" class="row head" aria-rowindex={1}>
          {columns.map(({ head, wide_only }) => (
            <span role="columnheader" key={head} class={wide_only ? "wide-only" : ""}>
              {t(head)}
            </span>
          ))}
        </div>
      </div>
      <div ref={place} class="rows" role="rowgroup" style={{ height: `${items.length * kRow}px` }} onKeyDown={press}>
        {there.map((i) => {
          const item = items[i] as T;
          return (
            <div role="row" class="row" key={item.id} tabIndex={i === at ? 0 : -1} onFocusIn={() => choose(item.id)}
              aria-rowindex={i + 2} style={{ top: `${i * kRow}px` }}>
              {columns.map(({ head, cell, tone, wide_only }) => (
                <span role="gridcell" key={head} class={`${wide_only ? "wide-only" : ""} ${tone?.(item) ?? ""}`}>
                  {cell(item)}
                </span>
              ))}
            </div>
          );
        })}
      </div>
    </div>
  );
}
