// What a tenant's machines have together, of what they may have.
import type { Schemas } from "../api";
import { useText } from "../text";
import type { Key } from "../text/en";

type Quota = Schemas["QuotaView"];
const kOf: [name: keyof Quota["used"], words: Key][] = [
  ["vms", "nav.machines"],
  ["vcpus", "machine.processors"],
  ["memory_mib", "create.memory"],
  ["storage_mib", "quota.storage"],
];
const kNearly = 0.8;

export function QuotaUsed({ quota: { limits, used } }: { quota: Quota }) {
  const t = useText();
  if (!limits) return <p class="banner warning">{t("quota.none")}</p>;
  return (
    <dl class="quota">
      {kOf.map(([name, words]) => (
        <div key={name}>
          <dt>{t(words)}</dt>
          <dd class={used[name] >= limits[name] * kNearly ? "warn" : ""}>
            {t("create.quota", { used: used[name], most: limits[name] })}
            <span class="fill" aria-hidden="true">
              <span style={{ width: `${limits[name] > 0 ? Math.min(100, (used[name] / limits[name]) * 100) : 0}%` }} />
            </span>
          </dd>
        </div>
      ))}
    </dl>
  );
}
