// Billing: balance, recharge orders, and every credit there ever was.
import { query } from "../../lib/api.js";
import { html } from "../../lib/html.js";
import { balancePlaces, placesOf } from "../../lib/money.js";
import { useResource } from "../../lib/resource.js";
import { at, navigate, withQuery } from "../../lib/router.js";
import { zone } from "../../lib/time.js";
import { Badge, Card, Empty, LinkButton, LinkTabs, Money, Skeleton, Time } from "../../ui/basics.js";
import { useShared } from "../../ui/shell.js";
import { Pager, Table } from "../../ui/table.js";
import { View } from "../../ui/view.js";
import { METHODS, OrderBadge, amountOf, isPending } from "../orders.js";

const KINDS = { grant: "Grant", order: "Recharge", adjustment: "Adjustment", refund: "Refund" };
const POLL_MS = 5000;
const orderHref = (order) => at(`/billing/orders/${order.id}`);
const add = () => html`<${LinkButton} kind="primary" icon="plus" href=${at("/billing/recharge")}>Add funds</${LinkButton}>`;

export default function Billing({ query: search }) {
  const { balance } = useShared();
  const tab = search.get("tab") === "credits" ? "credits" : "orders";
  const data = balance.data;
  const places = data && balancePlaces(data);
  const figure = (name, amount) => html`<div><dt class="muted small">${name}</dt><dd class="figure num">${amount ? html`<${Money} amount=${amount} places=${places} />` : html`<${Skeleton} width="6ch" />`}</dd></div>`;
  return html`<${View} title="Billing" actions=${add()}>
    <section class="card" aria-label="Balance"><dl class="figure-row">
      ${figure("Available", data?.available)}${figure("In flight", data?.in_flight)}${figure("Credited so far", data?.credits_in)}${figure("Charged so far", data?.charged)}</dl></section>
    <${LinkTabs} label="Billing" current=${tab} tabs=${[["orders", "Recharge orders"], ["credits", "Credits"]]}
      href=${(value) => withQuery({ tab: value === "orders" ? null : value, cursor: null })} />
    ${tab === "orders" ? html`<${Orders} cursor=${search.get("cursor") || ""} />` : html`<${Credits} cursor=${search.get("cursor") || ""} total=${data?.credits_in || "0"} />`}</${View}>`;
}

function Orders({ cursor }) {
  const orders = useResource(query("/api/orders", { cursor }), { poll: (list) => (list.data.some(isPending) ? POLL_MS : 0) });
  const places = placesOf(orders.data?.data.map((order) => order.credit) || []);
  const columns = [
    { key: "reference", label: "Reference", head: true, render: (order) => html`<a href=${orderHref(order)}><code>${order.reference}</code></a>` },
    { key: "created", label: `Created (${zone})`, width: "22%", wide: true, render: (order) => html`<${Time} at=${order.created} />` },
    { key: "method", label: "Method", width: "18%", render: (order) => METHODS[order.method] || order.method },
    { key: "status", label: "Status", render: (order) => html`<${OrderBadge} status=${order.status} />` },
    { key: "amount", label: "Amount", num: true, render: amountOf },
    { key: "credit", label: "Credit", num: true, render: (order) => html`<${Money} quiet amount=${order.credit} places=${places} />` },
  ];
  return html`<${Card} flush><${Table} caption="Recharge orders" columns=${columns} resource=${orders} onOpen=${(order) => navigate(orderHref(order))}
    empty=${html`<${Empty} title="No orders yet" action=${add()}>An order tells us what you are about to transfer, and keeps you informed until it is credited.</${Empty}>`} />
    <${Pager} resource=${orders} cursor=${cursor} /></${Card}>`;
}

function Credits({ cursor, total }) {
  const credits = useResource(query("/api/credits", { cursor }));
  const places = placesOf([], [[total, credits.data?.data.map((credit) => credit.amount) || []]]);
  const columns = [
    { key: "created", label: `Time (${zone})`, head: true, render: (credit) => html`<${Time} at=${credit.created} />` },
    { key: "kind", label: "Kind", render: (credit) => html`<${Badge}>${KINDS[credit.kind] || credit.kind}</${Badge}>` },
    { key: "note", label: "Note", width: "40%", wide: true, render: (credit) => (credit.order_id ? html`<a href=${at(`/billing/orders/${credit.order_id}`)}>${credit.note || "Order"}</a>` : credit.note) },
    { key: "amount", label: "Amount", num: true, render: (credit) => html`<${Money} quiet amount=${credit.amount} places=${places} />` },
  ];
  return html`<${Card} flush><${Table} caption="Credits" columns=${columns} resource=${credits}
    empty=${html`<${Empty} title="No credits yet" action=${add()}>Test credit, recharges, adjustments and refunds are listed here.</${Empty}>`} />
    <${Pager} resource=${credits} cursor=${cursor} /></${Card}>`;
}
