import { change, get, segment, type Schemas, type Self } from "../api";
import { useLive } from "../live";
import { AccessReport } from "../parts/access_report";
import { Shown } from "../parts/basic";
import { useText, when, word } from "../text";
import { may } from "../who";

export function Access({ self }: { self: Self }) {
  const t = useText();
  const live = useLive(async () => (await get<Schemas["AccessSessionList"]>("/v1/access")).items);
  const may_end = may(self, "end_access");
  const end = (id: string) => change("DELETE", `/v1/access/${segment(id)}`, {}).then(live.again, live.again);
  return (
    <>
      <div class="title">
        <h1>{t("access.title")}</h1>
      </div>
      <Shown of={live}>
        {(sessions) =>
          sessions.length === 0 ? (
            <p class="quiet">{t("access.none")}</p>
          ) : (
            <ul class="plain cards">
              {sessions.map((session) => (
                <li class="card" key={session.id}>
                  <strong>{session.by}</strong> <span class="state">{word("category", session.category)}</span>
                  <p>
                    {session.reason} {session.ticket && <span class="quiet">{session.ticket}</span>}
                  </p>
                  <p class="quiet">
                    {when(session.began)}, {t("access.until", { when: when(session.ends) })}
                  </p>
                  {may_end && (
                    <button class="danger" onClick={() => end(session.id)}>
                      {t("access.end")}
                    </button>
                  )}
                </li>
              ))}
            </ul>
          )
        }
      </Shown>
      {may(self, "read_own_audit") && <AccessReport />}
    </>
  );
}
