import { useEffect } from "preact/hooks";
import { get, type Refused, type Self } from "./api";
import { signed_in, useEvents, useLive } from "./live";
import { Shown } from "./parts/basic";
import { kStaffPlaces, kTenantPlaces, Layout } from "./parts/layout";
import { Access } from "./pages/access";
import { Audit } from "./pages/audit";
import { Console } from "./pages/console";
import { Failback } from "./pages/failback";
import { Fleet } from "./pages/fleet";
import { Images } from "./pages/images";
import { Incidents, OneIncident } from "./pages/incidents";
import { Machine } from "./pages/machine";
import { Machines } from "./pages/machines";
import { Me } from "./pages/me";
import { Noc } from "./pages/noc";
import { Overview } from "./pages/overview";
import { People } from "./pages/people";
import { SignIn } from "./pages/sign_in";
import { StaffMachine } from "./pages/staff_machine";
import { Tokens } from "./pages/tokens";
import { go, usePath } from "./router";
import { use } from "./signal";
import type { Staff } from "./staff";
import "./theme";

function TenantPage({ self }: { self: Self }) {
  const at = usePath();
  const [, first, second, third] = at.split("/").map(decodeURIComponent);
  const forced = self.rules.second_factor && !self.second_factor;
  // By its address, so that it stays, with what it shows once, when the factor is set.
  useEffect(() => {
    if (forced) go("/me");
  }, [forced]);
  if (first === "me" || forced) return <Me />;
  if (first === "machines" && second && (third === "serial" || third === "screen"))
    return <Console key={at} name={second} kind={third} self={self} />;
  if (first === "machines" && second) return <Machine key={second} name={second} self={self} />;
  switch (first) {
    case "people":
      return <People self={self} />;
    case "tokens":
      return <Tokens />;
    case "access":
      return <Access self={self} />;
    case "audit":
      return <Audit />;
    case "images":
      return <Images />;
    default:
      return (self.permissions as string[]).includes("see_machines") ? <Machines self={self} /> : <Tokens />;
  }
}

function TenantFrame({ self }: { self: Self }) {
  useEvents((self.permissions as string[]).includes("see_machines"));
  return (
    <Layout self={self} places={kTenantPlaces}>
      <TenantPage self={self} />
    </Layout>
  );
}

function Tenant() {
  const self = useLive(() => get<Self>("/v1/me"));
  return <Shown of={self}>{(me) => <TenantFrame self={me} />}</Shown>;
}

function StaffPage({ staff }: { staff: Staff }) {
  const at = usePath();
  const [, first, second, third] = at.split("/").map(decodeURIComponent);
  if (first === "machines" && second && (third === "serial" || third === "screen"))
    return <Console key={at} name={second} kind={third} self={staff} />;
  if (first === "machines" && second) return <StaffMachine key={second} id={second} staff={staff} />;
  switch (first) {
    case "machines":
      return <Fleet staff={staff} />;
    case "incidents":
      return second ? <OneIncident key={second} id={second} /> : <Incidents />;
    case "failback":
      return <Failback staff={staff} />;
    default:
      return <Overview />;
  }
}

function OfStaff({ staff }: { staff: Staff }) {
  useEvents(true, true);
  if (usePath() === "/noc") return <Noc />;
  return (
    <Layout self={staff} places={kStaffPlaces}>
      <StaffPage staff={staff} />
    </Layout>
  );
}

// Who comes by certificate, to the administration's port, is one of the staff; at a portal there is no such path.
let known: Staff | null | undefined;
async function staff_here(): Promise<Staff | null> {
  if (known !== undefined) return known;
  known = await get<Staff>("/v1/staff/me").catch((refused: Refused) => {
    if (refused.status === 0 || refused.status >= 500) throw refused;
    return null;
  });
  return known;
}

export function App() {
  const here = use(signed_in);
  const staff = useLive(staff_here);
  return (
    <Shown of={staff}>{(found) => (found ? <OfStaff staff={found} /> : here ? <Tenant /> : <SignIn />)}</Shown>
  );
}
