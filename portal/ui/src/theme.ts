// Light or dark: as the reader's system has it, unless they turned it here.
import { signal } from "./signal";

const kTheme = "bascule.theme";
const system = matchMedia("(prefers-color-scheme: dark)");
export const is_dark = signal(system.matches);

function look(): void {
  const held = document.documentElement.dataset["theme"];
  is_dark.set(held ? held === "dark" : system.matches);
}

function apply(theme: string | null): void {
  if (theme) document.documentElement.dataset["theme"] = theme;
  look();
}

export function turn_theme(): void {
  const next = is_dark.value ? "light" : "dark";
  localStorage.setItem(kTheme, next);
  apply(next);
}

system.addEventListener("change", look);
apply(localStorage.getItem(kTheme));
