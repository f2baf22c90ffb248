// The frame of a view: its title in the page and in the tab, focus on it after a change of view.
import { html, useEffect, useRef } from "../lib/html.js";
import { Skeleton } from "./basics.js";

let first = true;

export function View({ title, actions, lead, back, children }) {
  const heading = useRef(null);
  useEffect(() => {
    document.title = `${title} · MultiConnection`;
  }, [title]);
  useEffect(() => {
    if (first) first = false;
    else { heading.current?.focus({ preventScroll: true }); scrollTo(0, 0); }
  }, []);
  return html`<div class="view">
    ${back && html`<p class="small"><a href=${back[0]}>← ${back[1]}</a></p>`}
    <header class="view-head"><div><h1 tabindex="-1" ref=${heading}>${title}</h1>${lead && html`<p class="muted">${lead}</p>`}</div>
      ${actions && html`<div class="row">${actions}</div>`}</header>
    ${children}</div>`;
}

// What stands in for a view until it can be shown as a whole.
export const Waiting = () => html`<div class="view" aria-busy="true"><header class="view-head"><div class="grow"><${Skeleton} height="34px" width="180px" /></div></header>
  <span class="visually-hidden" role="status">Loading</span><${Skeleton} lines=${3} height="96px" /></div>`;
