// Words in the language of whoever reads, and times in their zone.
import { signal, use } from "../signal";
import { en, type Key } from "./en";
import { fr } from "./fr";

export type Language = "en" | "fr";
const kLanguage = "bascule.language";
const catalogues = { en, fr };

const wanted = localStorage.getItem(kLanguage) ?? navigator.language.slice(0, 2);
export const language = signal<Language>(wanted === "fr" ? "fr" : "en");

export function speak(next: Language): void {
  localStorage.setItem(kLanguage, next);
  document.documentElement.lang = next;
  language.set(next);
}
document.documentElement.lang = language.value;

export function text(key: Key, facts: Record<string, string | number> = {}): string {
  // French has a blank before these, at which no line may end.
  const words = catalogues[language.value][key].replace(/ (?=[;:?!])/g, "\u00a0");
  return words.replace(/\{(\w+)\}/g, (whole, name: string) => String(facts[name] ?? whole));
}

// The API's own word where the catalogue has none for it.
export function word(family: string, value: string): string {
  const key = `${family}.${value}`;
  return key in en ? text(key as Key) : value;
}

export function useText(): typeof text {
  use(language);
  return text;
}

export function when(ms: number): string {
  return new Intl.DateTimeFormat(language.value, { dateStyle: "short", timeStyle: "medium" }).format(ms);
}
