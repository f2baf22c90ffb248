// The queue: what waits longest is on top. Who comes too late sees it at once, as the list refreshes itself.
import { query } from "../../lib/api.js";
import { html } from "../../lib/html.js";
import { placesOf, whole } from "../../lib/money.js";
import { useResource } from "../../lib/resource.js";
import { navigate, withQuery } from "../../lib/router.js";
import { zone } from "../../lib/time.js";
import { Badge, Card, Empty, LinkButton, LinkTabs, Money, Time } from "../../ui/basics.js";
import { Pager, Table } from "../../ui/table.js";
import { View } from "../../ui/view.js";
import { METHODS, STATES, amountOf } from "../../console/orders.js";
import { AccountLink, orderHref } from "../parts.js";

const WAITING = "in_review";
const TABS = [WAITING, "submitted", "approved", "credited", "rejected", "expired", "cancelled"];
const POLL_MS = 10000;

export default function Orders({ query: search }) {
  const status = TABS.includes(search.get("status")) ? search.get("status") : WAITING;
  const cursor = search.get("cursor") || "";
  const orders = useResource(query("/api/admin/orders", { status, cursor }), { poll: () => POLL_MS });
  const places = placesOf(orders.data?.data.map((order) => order.credit) || []);
  const isOpen = status === WAITING || status === "submitted";
  const columns = [
    { key: "reference", label: "Reference", head: true, width: "16%", render: (order) => html`<a href=${orderHref(order.id)}><code>${order.reference}</code></a><span class="sub">${METHODS[order.method] || order.method}</span>` },
    { key: "created", label: isOpen ? "Waiting since" : `Created (${zone})`, width: "20%", render: (order) => html`<${Time} at=${order.created} relative=${isOpen} />` },
    { key: "account", label: "Account", width: "28%", wide: true, render: (order) => html`<${AccountLink} id=${order.account.id} email=${order.account.email} /><span class="sub">${history(order.account)}</span>` },
    { key: "receipt", label: "Receipt", width: "11%", render: (order) => (order.receipt ? html`<${Badge} tone="good">Sent</${Badge}>` : html`<${Badge}>None</${Badge}>`) },
    { key: "amount", label: "Amount", num: true, render: amountOf },
    { key: "credit", label: "Credit", num: true, render: (order) => html`<${Money} quiet amount=${order.credit} places=${places} />` },
  ];
  return html`<${View} title="Orders" lead="Oldest first.">
    <${LinkTabs} label="State of the orders" current=${status} tabs=${TABS.map((name) => [name, STATES[name][0]])}
      href=${(value) => withQuery({ status: value === WAITING ? null : value, cursor: null })} />
    <${Card} flush><${Table} caption="Orders" columns=${columns} resource=${orders} onOpen=${(order) => navigate(orderHref(order.id))}
      empty=${html`<${Nothing} status=${status} />`} />
      <${Pager} resource=${orders} cursor=${cursor} /></${Card}></${View}>`;
}

const Nothing = ({ status }) => (status === WAITING
  ? html`<${Empty} title="Nothing waits for you" action=${html`<${LinkButton} href=${withQuery({ status: "credited", cursor: null })}>Credited orders</${LinkButton}>`}>A new order appears here by itself.</${Empty}>`
  : html`<${Empty} title="No such orders" action=${html`<${LinkButton} href=${withQuery({ status: null, cursor: null })}>Orders in review</${LinkButton}>`}>There is no order in this state.</${Empty}>`);

const history = (account) => `${account.orders_count === 1 ? "First order" : `${account.orders_count} orders`}, ${whole(account.credits_total)} credited`;
