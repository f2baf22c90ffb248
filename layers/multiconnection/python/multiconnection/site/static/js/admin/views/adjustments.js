// Adjustments: the large ones wait for a second administrator.
import { query } from "../../lib/api.js";
import { html } from "../../lib/html.js";
import { useResource } from "../../lib/resource.js";
import { setQuery, withQuery } from "../../lib/router.js";
import { Badge, Card, Empty, LinkTabs, Time } from "../../ui/basics.js";
import { Pager, Table } from "../../ui/table.js";
import { View } from "../../ui/view.js";
import { AccountTabs } from "../account_tabs.js";
import { AdjustmentDrawer, STATES } from "../adjustment.js";
import { AccountLink, Change } from "../parts.js";

const WAITING = "awaiting_second";
const POLL_MS = 15000;
const COLUMNS = [
  { key: "created", label: "Proposed", head: true, width: "20%", render: (row) => html`<a class="plain" href=${withQuery({ adjustment: row.id })}><${Time} at=${row.created} /></a><span class="sub break">${row.proposed_by}</span>` },
  { key: "account_id", label: "Account", width: "26%", wide: true, render: (row) => html`<${AccountLink} id=${row.account_id} />` },
  { key: "reason", label: "Reason", width: "26%", wide: true, render: (row) => html`<span class="break">${row.reason}</span>` },
  { key: "status", label: "State", render: (row) => html`<${Badge} tone=${STATES[row.status]?.[1]}>${STATES[row.status]?.[0] || row.status}</${Badge}>` },
  { key: "amount", label: "Amount", num: true, render: (row) => html`<${Change} amount=${row.amount} />` },
];

export default function Adjustments({ query: search }) {
  const status = Object.keys(STATES).includes(search.get("status")) ? search.get("status") : WAITING;
  const cursor = search.get("cursor") || "";
  const open = search.get("adjustment") || "";
  const adjustments = useResource(query("/api/admin/adjustments", { status, cursor }), { poll: () => (status === WAITING ? POLL_MS : 0) });
  return html`<${View} title="Adjustments" lead="Oldest first. Who proposes one cannot approve it."><${AccountTabs} current="adjustments" />
    <${LinkTabs} label="State of the adjustments" current=${status} tabs=${Object.entries(STATES).map(([name, [label]]) => [name, label])}
      href=${(value) => withQuery({ status: value === WAITING ? null : value, cursor: null, adjustment: null })} />
    <${Card} flush><${Table} caption="Adjustments" columns=${COLUMNS} resource=${adjustments} current=${open} onOpen=${(row) => setQuery({ adjustment: row.id })}
      empty=${html`<${Empty} title=${status === WAITING ? "Nothing waits" : "None"}>${status === WAITING ? "Large adjustments that somebody else proposed appear here." : "There is no adjustment in this state."}</${Empty}>`} />
      <${Pager} resource=${adjustments} cursor=${cursor} /></${Card}>
    ${open && html`<${AdjustmentDrawer} key=${open} id=${open} onClose=${() => setQuery({ adjustment: null })} onChange=${adjustments.reload} />`}</${View}>`;
}
