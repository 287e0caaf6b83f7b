import { useState } from "preact/hooks";
import { get, type Schemas } from "../api";
import { useLive } from "../live";
import { Shown } from "../parts/basic";
import { useText, when } from "../text";

const kPage = 100;

export function Audit() {
  const t = useText();
  const [pages, set_pages] = useState(1);
  const live = useLive(() => get<Schemas["EventPage"]>(`/v1/audit?limit=${kPage * pages}`), [pages]);
  return (
    <>
      <div class="title">
        <h1>{t("audit.title")}</h1>
      </div>
      <Shown of={live}>
        {({ items }) => (
          <>
            <div class="scroll" tabIndex={0} role="group" aria-label={t("app.table")}>
              <table class="audit">
                <thead>
                  <tr>
                    <th scope="col">{t("audit.when")}</th>
                    <th scope="col">{t("audit.who")}</th>
                    <th scope="col">{t("audit.what")}</th>
                    <th scope="col">{t("audit.subject")}</th>
                    <th scope="col">{t("audit.why")}</th>
                  </tr>
                </thead>
                <tbody>
                  {[...items].reverse().map((entry) => (
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
                </tbody>
              </table>
            </div>
            {items.length >= kPage * pages && <button onClick={() => set_pages(pages + 1)}>{t("audit.more")}</button>}
          </>
        )}
      </Shown>
    </>
  );
}
