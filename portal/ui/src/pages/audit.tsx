import { useRef, useState } from "preact/hooks";
import { get, type EventEntry, type Schemas } from "../api";
import { useLive } from "../live";
import { Shown, Table } from "../parts/basic";
import { useText, when } from "../text";

const kKept = 2000; // the newest of them
const kPage = 100;
const kMostAsked = 200; // answers at once; each looks through some thousands of entries

// From where it got to last, to the end: entries come oldest first.
async function follow(held: { next: number; entries: EventEntry[] }): Promise<EventEntry[]> {
  for (let asked = 0; asked < kMostAsked; ++asked) {
    const page = await get<Schemas["EventPage"]>(`/v1/audit?limit=1000&after=${held.next}`);
    held.entries = [...held.entries, ...page.items].slice(-kKept);
    if (page.next <= held.next) break;
    held.next = page.next;
  }
  return [...held.entries].reverse();
}

export function Audit() {
  const t = useText();
  const held = useRef<{ next: number; entries: EventEntry[] }>({ next: 0, entries: [] });
  const [shown, show] = useState(kPage);
  const live = useLive(() => follow(held.current));
  return (
    <>
      <div class="title">
        <h1>{t("audit.title")}</h1>
      </div>
      <Shown of={live}>
        {(entries) => (
          <>
            <Table heads={["audit.when", "audit.who", "audit.what", "audit.subject", "audit.why"]}>
              {entries.slice(0, shown).map((entry) => (
                <tr key={entry.number}>
                  <td>
                    <time>{when(entry.at)}</time>
                  </td>
                  <td>{entry.actor}</td>
                  <td>{entry.what}</td>
                  <td class="subject">{entry.facts["name"] ?? entry.subject}</td>
                  <td>{entry.words}</td>
                </tr>
              ))}
            </Table>
            {entries.length > shown && <button onClick={() => show(shown + kPage)}>{t("audit.more")}</button>}
          </>
        )}
      </Shown>
    </>
  );
}
