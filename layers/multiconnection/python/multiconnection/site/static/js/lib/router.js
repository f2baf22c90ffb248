// The URL is the state: path, filters, page and open panel. Plain <a href> links work everywhere.
import { base } from "./base.js";
import { useEffect, useState } from "./html.js";

const root = base + (document.documentElement.dataset.root || "");
const CHANGED = "routechange";

export const at = (path = "") => root + path;
export const here = () => ({
  path: location.pathname.slice(root.length).replace(/\/+$/, "") || "/",
  query: new URLSearchParams(location.search),
});

export function navigate(to, { replace = false } = {}) {
  history[replace ? "replaceState" : "pushState"](null, "", to);
  dispatchEvent(new Event(CHANGED));
}

// Changes some parameters and keeps the others; an empty value removes one.
export function withQuery(changes) {
  const search = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === undefined || value === "") search.delete(name);
    else search.set(name, value);
  }
  return location.pathname + (search.size ? `?${search}` : "");
}
export const setQuery = (changes, options) => navigate(withQuery(changes), options);

export function useRoute() {
  const [route, setRoute] = useState(here);
  useEffect(() => {
    const update = () => setRoute(here());
    addEventListener("popstate", update);
    addEventListener(CHANGED, update);
    return () => { removeEventListener("popstate", update); removeEventListener(CHANGED, update); };
  }, []);
  return route;
}

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href]");
  if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const inside = link.origin === location.origin && (link.pathname === root || link.pathname.startsWith(`${root}/`));
  if (!inside || link.target || link.hasAttribute("download")) return;
  // A place on this page, such as the one that "Skip to content" leads to, is the browser's own affair.
  if (link.hash && link.pathname === location.pathname && link.search === location.search) return;
  event.preventDefault();
  if (link.href !== location.href) navigate(link.pathname + link.search);
});
