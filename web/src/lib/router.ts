/** Where the page is: the path of the address bar, kept in the browser's history. */
import { createSubscriber } from "svelte/reactivity";
import { on } from "svelte/events";

const CHANGED = "paddock:place";

const follow = createSubscriber((update) => {
  const ends = [on(window, "popstate", update), on(window, "hashchange", update), on(window, CHANGED as "popstate", update)];
  return () => ends.forEach((end) => end());
});

/** Reactive: what reads these is made anew when the place changes. */
export const place = {
  get path(): string {
    follow();
    return location.pathname;
  },
  /** What follows `#`, which reaches no server. */
  get fragment(): string {
    follow();
    return location.hash.slice(1);
  },
};

/** Goes to a path of this page. `replace`: the one before cannot be gone back to. */
export function go(path: string, { replace = false } = {}): void {
  if (path === location.pathname + location.hash) return;
  history[replace ? "replaceState" : "pushState"](null, "", path);
  window.dispatchEvent(new Event(CHANGED));
}

/** Follows plain clicks on links within the page without loading it anew. For the whole page. */
export function followLinks(event: MouseEvent): void {
  if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const link = (event.target as Element | null)?.closest("a");
  if (!link || link.target || link.hasAttribute("download") || link.origin !== location.origin) return;
  if (link.pathname.startsWith("/api/")) return;
  event.preventDefault();
  go(link.pathname + link.hash);
}
