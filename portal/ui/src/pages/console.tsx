// A machine's serial line or screen, after a reason; terminal and screen come when they are needed.
import { useEffect, useRef, useState } from "preact/hooks";
import { ask, get, segment, type Schemas, type Vm } from "../api";
import { useLook } from "../live";
import { Field, Shown } from "../parts/basic";
import { Dialog } from "../parts/dialog";
import { useLeave } from "../parts/leave";
import { SayWhy } from "../parts/say_why";
import { go } from "../router";
import { useText } from "../text";
import { page_of, type Who } from "../who";

type Kind = "serial" | "screen";
interface Line {
  close(): void;
}
type Ended = (why: string) => void;

// What WebSockets' ends say of each other, hop by hop.
const plain = (why: string) => why.replace(/^(closed by the peer: ?)+/, "");

async function open_serial(place: HTMLElement, url: string, ended: Ended): Promise<Line> {
  const [{ Terminal }, { FitAddon }] = await Promise.all([
    import("@xterm/xterm"),
    import("@xterm/addon-fit"),
    import("@xterm/xterm/css/xterm.css"),
  ]);
  const terminal = new Terminal({ cursorBlink: true, fontSize: 14, scrollback: 5000 });
  const fit = new FitAddon();
  terminal.loadAddon(fit);
  terminal.open(place);
  fit.fit();
  const resize = () => fit.fit();
  addEventListener("resize", resize);
  const socket = new WebSocket(url);
  socket.binaryType = "arraybuffer";
  socket.onmessage = (message) => terminal.write(new Uint8Array(message.data as ArrayBuffer));
  socket.onopen = () => terminal.focus();
  socket.onclose = (closed) => ended(plain(closed.reason));
  const encoder = new TextEncoder();
  terminal.onData((typed) => socket.readyState === WebSocket.OPEN && socket.send(encoder.encode(typed)));
  return {
    close() {
      removeEventListener("resize", resize);
      socket.close();
      terminal.dispose();
    },
  };
}

async function open_screen(place: HTMLElement, url: string, ended: Ended): Promise<Line> {
  const { default: RFB } = await import("@novnc/novnc");
  const screen = new RFB(place, url);
  screen.scaleViewport = true;
  screen.background = "#000";
  screen.addEventListener("disconnect", () => ended(""));
  screen.focus();
  return { close: () => screen.disconnect() };
}

function Open({ kind, ticket, name, leave }: { kind: Kind; ticket: string; name: string; leave: () => void }) {
  const t = useText();
  const place = useRef<HTMLDivElement>(null);
  const [why, set_why] = useState<string | null>(null);
  useEffect(() => {
    const here = place.current;
    if (!here) return undefined;
    let line: Line | null = null;
    let over = false;
    const url = `wss://${location.host}${ticket}`;
    const ended = (reason: string) => over || set_why(reason);
    void (kind === "serial" ? open_serial(here, url, ended) : open_screen(here, url, ended)).then((opened) => {
      line = opened;
      if (over) line.close();
    });
    return () => {
      over = true;
      line?.close();
    };
  }, [ticket]);
  return (
    <>
      <div class="banner access" role="status">
        {why === null ? `${name}: ${t(kind === "serial" ? "machine.serial" : "machine.screen")}` : t("console.ended", { why })}{" "}
        <button onClick={leave}>{t("console.leave")}</button>
      </div>
      <div ref={place} class={`console ${kind}`} data-over={why !== null} />
    </>
  );
}

export function Console({ name, kind, self }: { name: string; kind: Kind; self: Who }) {
  const live = useLook(() => get<Vm>(`/v1/vms/${segment(name)}`), [name], []);
  if (live.error?.code === "reason_required") return <SayWhy id={name} staff={self} done={live.again} />;
  return <Shown of={live}>{(vm) => <Ask vm={vm} kind={kind} self={self} />}</Shown>;
}

function Ask({ vm, kind, self }: { vm: Vm; kind: Kind; self: Who }) {
  const t = useText();
  const [ticket, set_ticket] = useState<string | null>(null);
  const [reason, set_reason] = useState("");
  const inside = useLeave(vm, self, reason);
  const leave = () => go(page_of(self, vm));
  const act = async () => {
    const { leave: grant, way, keep } = await inside.sign({ operation: "console", reason });
    const body = { kind, reason, ...(grant && { grant }) };
    const made = await ask<Schemas["Ticket"]>("POST", `/v1/vms/${segment(vm.id)}/console${way}`, body);
    keep();
    set_ticket(made.path);
  };
  if (ticket) return <Open kind={kind} ticket={ticket} name={vm.name} leave={leave} />;
  return (
    <Dialog title={t("confirm.console", { name: vm.name })} go={t(kind === "serial" ? "machine.serial" : "machine.screen")} act={act}
      ready={reason.trim() !== ""} close={leave} done={() => undefined}>
      <Field label={t("confirm.reason")} hint={t("confirm.three_words")}>
        {(id) => <input id={id} value={reason} onInput={(e) => set_reason((e.target as HTMLInputElement).value)} required autofocus maxlength={500} />}
      </Field>
      {inside.fields}
    </Dialog>
  );
}
