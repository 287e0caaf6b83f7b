// The frame around every page: where one can go, who one is, and what must be seen on all of them.
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { change, get, type Schemas } from "../api";
import { connected, sign_out, useLive } from "../live";
import { follow, usePath } from "../router";
import { use } from "../signal";
import { language, speak, useText } from "../text";
import type { Key } from "../text/en";
import { turn_theme } from "../theme";

interface Place {
  to: string;
  words: Key;
  needs?: string;
}

export const kStaffPlaces: Place[] = [
  { to: "/", words: "nav.overview" },
  { to: "/machines", words: "nav.machines" },
  { to: "/failback", words: "nav.failback" },
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

function Banner() {
  const t = useText();
  const lost = !use(connected);
  return lost ? (
    <div class="banner warning" role="status">
      {t("app.lost")}
    </div>
  ) : null;
}

// Whoever of the provider is at work for this tenant, on top of every page.
function AtWork({ self }: { self: Who }) {
  const t = useText();
  const may = self.permissions.includes("watch_access");
  const sessions = useLive(
    async () => (may ? (await get<{ items: Schemas["AccessSession"][] }>("/v1/access")).items : []),
    [may],
  );
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

async function leave() {
  await change("DELETE", "/v1/tokens/current", {}).catch(() => undefined);
  sign_out();
}

export interface Who {
  user: string;
  permissions: readonly string[];
  tenant?: string; // none: one of the provider's staff, who came by certificate
}

export function Layout({ self, places, children }: { self: Who; places: Place[]; children: ComponentChildren }) {
  const t = useText();
  const at = usePath();
  const nav = useRef<HTMLElement>(null);
  useEffect(() => nav.current?.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" }), [at, places]);
  const chosen = places.filter(({ to }) => to !== "/" && at.startsWith(to))[0]?.to ?? "/";
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
            .filter(({ needs }) => !needs || self.permissions.includes(needs))
            .map(({ to, words }) => (
              <a key={to} href={to} onClick={follow} aria-current={to === chosen ? "page" : undefined}>
                {t(words)}
              </a>
            ))}
        </nav>
        <div class="self">
          <span class="who">{self.user}</span>
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
      <Banner />
      {self.tenant && <AtWork self={self} />}
      <main id="content" tabIndex={-1}>
        {children}
      </main>
    </>
  );
}
