// Tables with their own loading, empty and error states; on a phone a row becomes a card.
import { html } from "../lib/html.js";
import { withQuery } from "../lib/router.js";
import { LinkButton, Problem, Skeleton } from "./basics.js";

// columns: [{key, label, num, width, render(row), head, wide}]; `head` is the column that names the row, a `wide` one has
// a line of its own on a phone. Widths are fixed, so
// that nothing moves when the rows arrive: give "24%" or "90px" where an equal share does not fit.
// resource: what useResource gave for a list; `empty` is shown when it has no rows; `rows` overrides its data.
export function Table({ caption, columns, resource, rows, empty, skeletonRows = 6, rowKey = "id", current, onOpen }) {
  const data = rows ?? resource?.data?.data;
  if (resource?.error && !data) {
    return html`<div class="pad"><${Problem} error=${resource.error} what="This list could not be loaded." retry=${resource.reload} /></div>`;
  }
  if (data && !data.length) {
    return resource?.data?.next_cursor ? html`<p class="pad muted">Nothing found so far. There is more to look through: go on with the next page.</p>` : empty;
  }
  return html`${resource?.error && html`<div class="pad"><${Problem} error=${resource.error} what="This list could not be refreshed." retry=${resource.reload} /></div>`}<div class="table-wrap" tabindex="0" role="group" aria-label=${caption} aria-busy=${data ? undefined : "true"}>
    <table class="rows"><caption class="visually-hidden">${caption}</caption>
      <colgroup>${columns.map((column) => html`<col key=${column.key} style=${column.width ? { width: column.width } : undefined} />`)}</colgroup>
      <thead><tr>${columns.map((column) => html`<th key=${column.key} scope="col" class=${column.num ? "num" : ""}>
        ${column.label || html`<span class="visually-hidden">Actions</span>`}</th>`)}</tr></thead>
      <tbody>${data ? data.map((row) => html`<${Row} key=${row[rowKey]} row=${row} columns=${columns}
          open=${onOpen} current=${current !== undefined && current === row[rowKey]} />`)
        : Array.from({ length: skeletonRows }, (_, n) => html`<tr key=${n}>${columns.map((column) =>
          html`<td key=${column.key}><${Skeleton} /></td>`)}</tr>`)}</tbody></table></div>`;
}

function Row({ row, columns, open, current }) {
  // The row's own link is for the keyboard; a click anywhere in it is a convenience.
  const click = (event) => { if (!event.target.closest("a,button,input,[role=menu]")) open(row); };
  return html`<tr class=${open ? "link" : ""} aria-current=${current ? "true" : undefined} onClick=${open ? click : undefined}>
    ${columns.map((column) => {
      const content = column.render ? column.render(row) : row[column.key];
      return column.head
        ? html`<th scope="row" key=${column.key}>${content}</th>`
        : html`<td key=${column.key} class=${`${column.num ? "num" : ""} ${column.wide ? "wide" : ""}`} data-label=${column.label}>${content}</td>`;
    })}</tr>`;
}

// Pages are in the URL: `cursor` is the next one's start, back is the browser's own.
export function Pager({ resource, cursor, name = "cursor" }) {
  const next = resource.data?.next_cursor;
  if (!next && !cursor) return null;
  return html`<nav class="row between pad" aria-label="Pages">
    ${cursor ? html`<${LinkButton} small href=${withQuery({ [name]: null })}>First page</${LinkButton}>` : html`<span></span>`}
    ${next ? html`<${LinkButton} small href=${withQuery({ [name]: next })}>Next page</${LinkButton}>` : html`<span class="muted small">End of the list</span>`}</nav>`;
}
