// Where in the portal one is: the path of the page's address.
import { signal, use } from "./signal";

export const path = signal(location.pathname);

window.addEventListener("popstate", () => path.set(location.pathname));

export function go(to: string): void {
  history.pushState(null, "", to);
  path.set(location.pathname);
  window.scrollTo(0, 0);
}

// Of links within the portal: no page is loaded anew.
export function follow(event: MouseEvent): void {
  const link = (event.target as Element).closest("a");
  if (!link || link.origin !== location.origin || link.target || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  go(link.pathname);
}

export const usePath = () => use(path);
