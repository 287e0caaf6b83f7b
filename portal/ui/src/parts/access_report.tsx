// Who of the provider was at work, why, and how much they looked at and changed: added up from the audit.
import { useState } from "preact/hooks";
import { get, type Schemas } from "../api";
import { useLook } from "../live";
import { useText, when, word } from "../text";
import { Field, Shown, Table } from "./basic";

const kDays = [7, 31, 92, 366];

export function AccessReport() {
  const t = useText();
  const [days, set_days] = useState(31);
  const live = useLook(() => get<Schemas["AccessReport"]>(`/v1/reports/access?days=${days}`), [days], []);
  return (
    <section>
      <h2>{t("report.title")}</h2>
      <div class="title">
        <Field label={t("report.days")}>
          {(id) => (
            <select id={id} value={days} onChange={(e) => set_days(Number((e.target as HTMLSelectElement).value))}>
              {kDays.map((one) => (
                <option key={one} value={one}>
                  {t("report.last", { n: one })}
                </option>
              ))}
            </select>
          )}
        </Field>
        <button onClick={live.again}>{t("report.again")}</button>
      </div>
      <Shown of={live}>{(report) => <Report report={report} />}</Shown>
    </section>
  );
}

function Report({ report }: { report: Schemas["AccessReport"] }) {
  const t = useText();
  if (report.items.length === 0 && report.refused.length === 0) return <p class="quiet">{t("report.none")}</p>;
  return (
    <>
      {report.items.length > 0 && (
        <Table heads={["audit.who", "audit.why", "report.began", "report.ended", "report.looks", "report.changes"]}>
          {report.items.map((item) => (
            <tr key={`${item.by}${item.began}`}>
              <td>{item.by}</td>
              <td>
                <span class="state">{word("category", item.category)}</span> {item.reason}
              </td>
              <td>{when(item.began)}</td>
              <td>{item.ended ? when(item.ended) : t("report.open")}</td>
              <td>{item.looks}</td>
              <td>{item.changes}</td>
            </tr>
          ))}
        </Table>
      )}
      {report.refused.map((one) => (
        <p key={one.who}>{t("report.refused", { who: one.who, n: one.times, when: when(one.last) })}</p>
      ))}
      {report.reused.map((one) => (
        <p class="warn" key={one.reason}>
          {t("report.reused", { n: one.times, who: one.by.join(", "), why: one.reason })}
        </p>
      ))}
    </>
  );
}
