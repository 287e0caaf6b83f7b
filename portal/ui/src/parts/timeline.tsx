// An incident on one time axis: what was noticed, proved, decided, done and told. Near its beginning a second is
// wide, later an hour is narrow.
import type { Told } from "../staff";
import { useText } from "../text";
import type { Key } from "../text/en";

const kLanes: { words: Key; holds: Set<string> }[] = [
  { words: "incident.noticed", holds: new Set(["suspect_host", "host_lost", "withhold_lease", "give_lease_back", "restart_detectors", "host_back", "host_up", "host_returned", "host_fault", "host_fault_cleared", "site_lost", "vm_stopped_by_guest"]) },
  { words: "incident.proved", holds: new Set(["host_down", "host_word", "attest_down", "power_off_failed", "volumes_taken"]) },
  { words: "incident.decided", holds: new Set(["hold", "recover_vm", "wait_for_place", "wait_until_startable", "refuse_start", "leave_stopped", "give_up_vm", "power_withheld", "approve_failback", "refuse_failback", "clear_host"]) },
  { words: "incident.told", holds: new Set(["notify"]) },
];
const kDone: Key = "incident.done"; // whatever is none of those

const kWidth = 1000;
const kLeft = 110;
const kLane = 34;
const kTop = 30;
const kTicks_s = [-30, -10, -3, -1, 0, 1, 3, 10, 30, 100, 300, 1000, 3600, 14400, 86400];

const bent = (seconds: number): number => Math.sign(seconds) * Math.log1p(Math.abs(seconds));

function lane_of(what: string): Key {
  return kLanes.find((lane) => lane.holds.has(what))?.words ?? kDone;
}

export function Timeline({ opened, events }: { opened: number; events: Told[] }) {
  const t = useText();
  const lanes = [...kLanes.slice(0, 3).map((lane) => lane.words), kDone, ...kLanes.slice(3).map((lane) => lane.words)];
  const seconds = events.map((event) => (event.at - opened) / 1000);
  const first = bent(Math.min(-1, ...seconds));
  const last = bent(Math.max(10, ...seconds));
  const x = (s: number): number => kLeft + ((bent(s) - first) / (last - first)) * (kWidth - kLeft - 20);
  const height = kTop + lanes.length * kLane + 10;
  return (
    <svg class="timeline" viewBox={`0 0 ${kWidth} ${height}`} role="img" aria-label={t("incident.axis")}>
      {kTicks_s
        .filter((s) => bent(s) >= first && bent(s) <= last)
        .map((s) => (
          <g key={s} class={s === 0 ? "tick zero" : "tick"}>
            <line x1={x(s)} x2={x(s)} y1={kTop - 8} y2={height} />
            <text x={x(s)} y={kTop - 12} text-anchor="middle">
              {s < 100 ? `${s} s` : s < 3600 ? `${Math.round(s / 60)} min` : `${s / 3600} h`}
            </text>
          </g>
        ))}
      {lanes.map((words, row) => (
        <text key={words} class="lane" x={0} y={kTop + row * kLane + kLane / 2 + 5}>
          {t(words)}
        </text>
      ))}
      {events.map((event, i) => (
        <circle key={event.number} class={`dot ${event.what}`} cx={x(seconds[i] ?? 0)} cy={kTop + lanes.indexOf(lane_of(event.what)) * kLane + kLane / 2} r={7}>
          <title>{`${(seconds[i] ?? 0).toFixed(1)} s: ${event.what} ${event.subject} ${event.words ?? ""}`}</title>
        </circle>
      ))}
    </svg>
  );
}
