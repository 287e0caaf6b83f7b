// Light or dark: as the reader's system has it, unless they turned it here.
const kTheme = "bascule.theme";

function apply(theme: string | null): void {
  if (theme) document.documentElement.dataset["theme"] = theme;
}

export function turn_theme(): void {
  const held = document.documentElement.dataset["theme"];
  const dark = held ? held === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  const next = dark ? "light" : "dark";
  localStorage.setItem(kTheme, next);
  apply(next);
}

apply(localStorage.getItem(kTheme));
