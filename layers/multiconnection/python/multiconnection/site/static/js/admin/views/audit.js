// Audit: what administrators did, with what was before and after.
import { query } from "../../lib/api.js";
import { html, useEffect, useState } from "../../lib/html.js";
import { useResource } from "../../lib/resource.js";
import { at, setQuery, withQuery } from "../../lib/router.js";
import { zone } from "../../lib/time.js";
import { Button, Card, Empty, Facts, LinkButton, Notice, Time } from "../../ui/basics.js";
import { Dialog } from "../../ui/dialog.js";
import { Field } from "../../ui/form.js";
import { Pager, Table } from "../../ui/table.js";
import { View } from "../../ui/view.js";
import { accountHref, adjustmentHref, modelHref, orderHref } from "../parts.js";
import { changes } from "../price_changes.js";

const CHANGES_SHOWN = 2;
const ACTIONS = ["order", "account", "adjustment", "model", "provider", "reconciliation"];
const PLACES = {
  order: orderHref, account: accountHref, adjustment: adjustmentHref, model: modelHref, provider: () => at("/providers"), reconciliation: () => at("/reconciliation"),
};
// In the list, what is moved comes first, and whose it is is one press away.
const WEIGHT = { status: -2, amount: -1, account_id: 1 };
const hrefOf = (entry) => withQuery({ entry: entry.id });
const shown = (value) => (value === undefined || value === null ? "—" : String(value));

export default function Audit({ query: search }) {
  const [actor, action, cursor] = ["actor", "action", "cursor"].map((name) => search.get(name) || "");
  const entries = useResource(query("/api/admin/audit", { actor, action, cursor }));
  const chosen = entries.data?.data.find((entry) => entry.id === search.get("entry"));
  const columns = [
    { key: "at", label: `Time (${zone})`, head: true, width: "20%", render: (entry) => html`<a class="plain" href=${hrefOf(entry)}><${Time} at=${entry.at} /></a>` },
    { key: "actor", label: "Actor", width: "19%", wide: true, render: (entry) => html`<span class="break">${entry.actor}</span>` },
    { key: "action", label: "Action", width: "19%", render: (entry) => html`<code class="small">${breakable(entry.action)}</code>` },
    { key: "subject", label: "Subject", width: "20%", wide: true, render: (entry) => html`<code class="small break">${entry.subject}</code>` },
    { key: "change", label: "Change", wide: true, render: (entry) => html`<${Brief} entry=${entry} />` },
  ];
  return html`<${View} title="Audit" lead="What administrators did. Nobody can change or remove an entry.">
    <${Filters} key=${`${actor}\n${action}`} actor=${actor} action=${action} />
    ${search.get("entry") && entries.data && !chosen && html`<${Notice} tone="warn" title="This entry is not on this page">Filter by its actor or action, or go on with the next page.</${Notice}>`}
    <${Card} flush><${Table} caption="Audit log" columns=${columns} resource=${entries} skeletonRows=${10} current=${search.get("entry") || ""} onOpen=${(entry) => setQuery({ entry: entry.id })}
      empty=${actor || action
        ? html`<${Empty} title="No entries" action=${html`<${LinkButton} href=${location.pathname}>Clear the filters</${LinkButton}>`}>Nothing matches these filters.</${Empty}>`
        : html`<${Empty} title="No entries yet">Each approval, adjustment, price and switch is listed here.</${Empty}>`} />
      <${Pager} resource=${entries} cursor=${cursor} /></${Card}>
    ${chosen && html`<${EntryDrawer} key=${chosen.id} entry=${chosen} onClose=${() => setQuery({ entry: null })} />`}</${View}>`;
}

// Sent as a whole: each letter would be a search of its own.
function Filters(props) {
  const [actor, setActor] = useState(props.actor);
  const [action, setAction] = useState(props.action);
  useEffect(() => { setActor(props.actor); setAction(props.action); }, [props.actor, props.action]);
  const apply = (event) => {
    event.preventDefault();
    setQuery({ actor: actor.trim(), action: action.trim(), cursor: null, entry: null });
  };
  const clear = () => setQuery({ actor: null, action: null, cursor: null, entry: null });
  return html`<form class="filter-row" role="search" aria-label="Filter entries" onSubmit=${apply}>
    <${Field} label="Actor" placeholder="admin@example.com" autocomplete="off" spellcheck="false" maxlength="254" value=${actor} onInput=${setActor} />
    <${Field} label="Action, or its beginning" placeholder="model.price" autocomplete="off" list="actions" maxlength="254" value=${action} onInput=${setAction} />
    <datalist id="actions">${ACTIONS.map((name) => html`<option key=${name} value=${name} />`)}</datalist>
    <${Button} type="submit">Filter</${Button}>
    <${Button} kind="quiet" disabled=${!props.actor && !props.action} onClick=${clear}>Clear</${Button}></form>`;
}

const breakable = (action) => action.split(".").map((part, n) => html`${n ? html`.<wbr />` : null}${part}`);

function Brief({ entry }) {
  const found = changes(entry.before, entry.after).sort((a, b) => (WEIGHT[a.kind] || 0) - (WEIGHT[b.kind] || 0));
  if (!found.length) return html`<span class="muted">${entry.reason || "—"}</span>`;
  const more = found.length - CHANGES_SHOWN;
  return html`<span class="small">${found.slice(0, CHANGES_SHOWN).map((each) => html`<span class="sub break" key=${each.kind}>${each.kind} ${each.old === undefined ? "" : `${shown(each.old)} → `}${shown(each.new)}</span>`)}
    ${more > 0 && html`<span class="sub">and ${more} more</span>`}</span>`;
}

function EntryDrawer({ entry, onClose }) {
  const found = changes(entry.before, entry.after);
  const place = PLACES[entry.action.split(".")[0]];
  return html`<${Dialog} drawer title=${entry.action} onClose=${onClose}><div class="stack">
    <${Facts} items=${[
      ["Time", html`<${Time} at=${entry.at} /> ${zone}`],
      ["Actor", entry.actor],
      ["Subject", place ? html`<a href=${place(entry.subject)}>${entry.subject}</a>` : entry.subject],
      entry.reason && ["Reason", entry.reason],
      entry.request_id && ["Request", html`<code>${entry.request_id}</code>`],
      ["Entry", html`<code>${entry.id}</code>`]]} />
    ${found.length ? html`<div class="table-wrap" tabindex="0" role="group" aria-label="Before and after"><table class="plain-table"><caption class="small muted">What changed</caption>
      <thead><tr><th scope="col">What</th><th scope="col">Before</th><th scope="col">After</th></tr></thead>
      <tbody>${found.map((each) => html`<tr key=${each.kind}><th scope="row" class="break">${each.kind}</th><td class="break">${shown(each.old)}</td><td class="break">${shown(each.new)}</td></tr>`)}</tbody></table></div>`
      : html`<p class="muted">Nothing was changed by it.</p>`}</div></${Dialog}>`;
}
