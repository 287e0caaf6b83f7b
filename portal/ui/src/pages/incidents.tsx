// Faults and what followed from each; of one of them all that was noticed, proved, decided, done and told, to be kept.
import { useRef, useState } from "preact/hooks";
import { get, segment } from "../api";
import { useLive, useLook } from "../live";
import { Shown, Table } from "../parts/basic";
import { Timeline } from "../parts/timeline";
import { follow } from "../router";
import type { Incident, IncidentStory } from "../staff";
import { language, useText, when } from "../text";

// Without a page's style, on paper or in a mail: all it needs is in it.
const kPrinted = `body{font:15px/1.5 system-ui,sans-serif;margin:2rem;max-width:75rem;color:#16202c}
table{border-collapse:collapse;width:100%}td,th{border-bottom:1px solid #d5dbe3;padding:.3rem .6rem;text-align:left;vertical-align:top}
svg{width:100%}svg text{font:13px sans-serif;fill:#566374}svg line{stroke:#d5dbe3}svg .zero line{stroke:#b3261e}svg circle{fill:#1f5fbf}`;

function save(story: IncidentStory, content: HTMLElement): void {
  const title = `${story.id} ${story.kind}`.replace(/[^\w .-]/g, "_");
  const page = `<!doctype html><html lang="${language.value}"><meta charset="utf-8"><title>${title}</title><style>${kPrinted}</style>${content.outerHTML}</html>`;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([page], { type: "text/html" }));
  link.download = `${title.replaceAll(" ", "-")}.html`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

function Story({ story }: { story: IncidentStory }) {
  const t = useText();
  const content = useRef<HTMLElement>(null);
  return (
    <>
      <p>
        <a href="/incidents" onClick={follow}>
          {t("incident.all")}
        </a>
      </p>
      <article ref={content}>
        <h1>
          {story.kind} {story.hosts.join(", ")}
        </h1>
        <p>
          {story.id}, {t("incident.opened", { when: when(story.opened) })},{" "}
          {story.closed === undefined ? t("incident.open") : t("incident.closed", { when: when(story.closed) })},{" "}
          {t("overview.switched", { n: story.switched.length, all: story.vms.length })}
        </p>
        <div class="scroll" tabIndex={0} role="group" aria-label={t("incident.axis")}>
          <Timeline opened={story.opened} events={story.timeline} />
        </div>
        <Table heads={["incident.after", "audit.what", "audit.subject", "audit.why"]}>
          {story.timeline.map((event) => (
            <tr key={event.number}>
              <td>{((event.at - story.opened) / 1000).toFixed(1)} s</td>
              <td>{event.what}</td>
              <td>{event.facts?.["name"] ?? event.subject}</td>
              <td>
                {event.reason}
                {event.actor !== "engine" && ` (${event.actor})`} {event.words}{" "}
                <span class="quiet">
                  {Object.entries(event.facts ?? {})
                    .filter(([name, value]) => name !== "name" && value !== "")
                    .map(([name, value]) => `${name}=${value}`)
                    .join(" ")}
                </span>
              </td>
            </tr>
          ))}
        </Table>
        {story.cut && <p>{t("incident.cut")}</p>}
      </article>
      <p>
        <button onClick={() => content.current && save(story, content.current)}>{t("incident.save")}</button>
      </p>
    </>
  );
}

export function OneIncident({ id }: { id: string }) {
  // It is long to look through: again only while it is open, and something happened in it.
  const [subjects, set_subjects] = useState<string[]>([]);
  const look = async () => {
    const found = await get<IncidentStory>(`/v1/incidents/${segment(id)}`);
    const of = (kind: string, ids: string[]) => ids.map((one) => `${kind}/${one}`);
    set_subjects(found.closed === undefined ? [`incident/${id}`, ...of("host", found.hosts), ...of("vm", found.vms)] : []);
    return found;
  };
  const story = useLook(look, [id], subjects);
  return <Shown of={story}>{(found) => <Story story={found} />}</Shown>;
}

export function Incidents() {
  const t = useText();
  const incidents = useLive(async () => (await get<{ items: Incident[] }>("/v1/incidents")).items);
  return (
    <>
      <div class="title">
        <h1>{t("incident.title")}</h1>
      </div>
      <Shown of={incidents}>
        {(all) =>
          all.length === 0 ? (
            <p class="quiet">{t("incident.none")}</p>
          ) : (
            <Table heads={["incident.begun", "audit.what", "incident.hosts", "incident.switched", "incident.end"]}>
              {all.map((one) => (
                <tr key={one.id}>
                  <td>
                    <a href={`/incidents/${segment(one.id)}`} onClick={follow}>
                      {when(one.opened)}
                    </a>
                  </td>
                  <td>{one.kind}</td>
                  <td>{one.hosts.join(", ")}</td>
                  <td>{t("overview.switched", { n: one.switched.length, all: one.vms.length })}</td>
                  <td class={one.closed === undefined ? "warn" : ""}>{one.closed === undefined ? t("incident.open") : when(one.closed)}</td>
                </tr>
              ))}
            </Table>
          )
        }
      </Shown>
    </>
  );
}
