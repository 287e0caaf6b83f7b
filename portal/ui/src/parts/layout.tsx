// The frame around every page: where one can go, who one is, and what must be seen on all of them.
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { change } from "../api";
import { connected, sign_out } from "../live";
import { follow, usePath } from "../router";
import { use } from "../signal";
import { language, speak, useText } from "../text";
import type { Key } from "../text/en";
import { turn_theme } from "../theme";
import { may, type Who } from "../who";
import { AtWork, OwnWork } from "./at_work";

interface Place {
  to: string;
  words: Key;
  needs?: string;
}

export const kStaffPlaces: Place[] = [
  { to: "/", words: "nav.overview" },
  { to: "/machines", words: "nav.machines" },
  { to: "/failback", words: "nav.failback" },
  { to: "/incidents", words: "nav.incidents" },
  { to: "/noc", words: "nav.noc" },
];

export const kTenantPlaces: Place[] = [
  { to: "/", words: "nav.machines", needs: "see_machines" },
  { to: "/images", words: "nav.images", needs: "see_machines" },
  { to: "/people", words: "nav.people", needs: "manage_users" },
  { to: "/access", words: "nav.access", needs: "watch_access" },
  { to: "/audit", words: "nav.audit", needs: "read_own_audit" },
  { to: "/tokens", words: "nav.tokens" },
];

function Banner({ words }: { words: Key }) {
  const t = useText();
  const lost = !use(connected);
  return lost ? (
    <div class="banner warning" role="status">
      {t(words)}
    </div>
  ) : null;
}

async function leave() {
  await change("DELETE", "/v1/tokens/current", {}).catch(() => undefined);
  sign_out();
}

export function Layout({ self, places, children }: { self: Who; places: Place[]; children: ComponentChildren }) {
  const t = useText();
  const at = usePath();
  const nav = useRef<HTMLElement>(null);
  useEffect(() => nav.current?.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" }), [at, places]);
  const chosen = at === "/me" ? at : places.filter(({ to }) => to !== "/" && at.startsWith(to))[0]?.to ?? "/";
  return (
    <>
      <a class="skip" href="#content">
        {t("app.skip")}
      </a>
      <header>
        <a class="brand" href="/" onClick={follow}>
          <img src="/icon.svg" alt="" width="28" height="28" />
          <span>{t("app.name")}</span>
        </a>
        <nav ref={nav} aria-label={t("app.name")}>
          {places
            .filter(({ needs }) => !needs || may(self, needs))
            .map(({ to, words }) => (
              <a key={to} href={to} onClick={follow} aria-current={to === chosen ? "page" : undefined}>
                {t(words)}
              </a>
            ))}
        </nav>
        <div class="self">
          {self.tenant === undefined ? (
            <span class="who">{self.user}</span>
          ) : (
            <a class="who" href="/me" onClick={follow} aria-current={at === "/me" ? "page" : undefined}>
              {self.user}
            </a>
          )}
          <button class="plain" onClick={turn_theme} aria-label={t("app.theme")} title={t("app.theme")}>
            ◐
          </button>
          <button class="plain" onClick={() => speak(language.value === "fr" ? "en" : "fr")}>
            {t("app.language")}
          </button>
          {self.tenant && (
            <button class="plain" onClick={leave}>
              {t("app.sign_out")}
            </button>
          )}
        </div>
      </header>
      <Banner words={self.tenant ? "app.lost" : "app.lost_staff"} />
      {self.tenant === undefined ? <OwnWork staff={self} /> : <AtWork self={self} />}
      <main id="content" tabIndex={-1}>
        {children}
      </main>
    </>
  );
}
