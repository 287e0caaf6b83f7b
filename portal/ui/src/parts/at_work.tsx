// Whoever of the provider is at work for a tenant, on top of every page: theirs, and the tenant's.
import { useEffect, useState } from "preact/hooks";
import { change, get, Refused, segment, type Schemas } from "../api";
import { useLive } from "../live";
import { follow } from "../router";
import { useOwnAccess } from "../own_access";
import { useText } from "../text";
import { may, type Who } from "../who";
import { words_of } from "./basic";

type Session = Schemas["AccessSession"];
const kTick_ms = 5000;

export function AtWork({ self }: { self: Who }) {
  const t = useText();
  const watches = may(self, "watch_access");
  const sessions = useLive(async () => (watches ? (await get<{ items: Session[] }>("/v1/access")).items : []), [watches]);
  return (
    <>
      {(sessions.value ?? []).map((session) => (
        <div class="banner access" role="status" key={session.id}>
          {t("access.banner", { who: session.by, why: session.reason })}{" "}
          <a href="/access" onClick={follow}>
            {t("nav.access")}
          </a>
        </div>
      ))}
    </>
  );
}

function Own({ session, again }: { session: Session; again: () => void }) {
  const t = useText();
  const [now, set_now] = useState(Date.now());
  const [problem, set_problem] = useState("");
  useEffect(() => {
    const timer = setInterval(() => set_now(Date.now()), kTick_ms);
    return () => clearInterval(timer);
  }, []);
  const end = () =>
    change("DELETE", `/v1/access/${segment(session.id)}`, {}).then(again, (refused: Refused) =>
      set_problem(words_of(refused, t("app.unreachable"))),
    );
  const minutes = Math.max(0, Math.ceil((session.ends - now) / 60_000));
  return (
    <section class="banner access" aria-label={t("open.session", { tenant: session.tenant })}>
      {t("open.at_work", { tenant: session.tenant, minutes, why: session.reason })}{" "}
      <button onClick={end}>{t("access.end")}</button> {problem && <span role="alert">{problem}</span>}
    </section>
  );
}

export function OwnWork({ staff }: { staff: Who }) {
  const sessions = useOwnAccess(staff);
  return (
    <>
      {(sessions.value ?? []).map((session) => (
        <Own key={session.id} session={session} again={sessions.again} />
      ))}
    </>
  );
}
