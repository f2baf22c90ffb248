// One order: the receipt beside what is decided about it.
import { api } from "../../lib/api.js";
import { html, useState } from "../../lib/html.js";
import { exact, placesOf } from "../../lib/money.js";
import { useResource } from "../../lib/resource.js";
import { at } from "../../lib/router.js";
import { zone } from "../../lib/time.js";
import { Button, Card, CopyLine, Facts, Money, Notice, Problem, Time } from "../../ui/basics.js";
import { useShared } from "../../ui/shell.js";
import { Timeline } from "../../ui/timeline.js";
import { View, Waiting } from "../../ui/view.js";
import { METHODS, OrderBadge, STATES, amountOf, isPending, rateText, stepsOf } from "../../console/orders.js";
import { Decision } from "../decision.js";
import { AccountLink, AccountStatus, Late } from "../parts.js";
import { ReceiptPreview } from "../receipt.js";

const POLL_MS = 10000;
const CREDITING_POLL_MS = 2000;
const COUNTED_MAX = 100;
const CUSTOMER = "the customer";

export default function OrderView({ id }) {
  const path = `/api/admin/orders/${encodeURIComponent(id)}`;
  const order = useResource(path, { poll: (data) => (data.status === "approved" ? CREDITING_POLL_MS : isPending(data) ? POLL_MS : 0) });
  const { account: own } = useShared();
  // What is confirmed is the order as it was when the dialog opened, whatever is loaded meanwhile.
  const [deciding, setDeciding] = useState(null);
  const [late, setLate] = useState(null);
  const data = order.data;
  if (!data && !order.error) return html`<${Waiting} />`;

  const decide = async (action, body) => {
    try {
      order.set(await api.post(`${path}/${action}`, body));
      setLate(null);
    } catch (error) {
      if (error.code !== "order_not_pending") throw error;
      setLate(error.details);
    }
    setDeciding(null);
    order.reload();
  };
  // Whatever became of it: what is there now is shown.
  const close = () => { setDeciding(null); order.reload(); };
  return html`<${View} title=${data ? `Order ${data.reference}` : "Order"} back=${[at("/orders"), "Orders"]}>
    ${order.error && html`<${Problem} error=${order.error} what=${data ? "The order could not be refreshed." : "This order could not be loaded."} retry=${order.reload} />`}
    ${late && html`<${Late} title="Somebody was faster" details=${late} word=${(status) => STATES[status]?.[0].toLowerCase() || status} />`}
    ${data && html`<div class="columns">
      <${ReceiptPreview} order=${data} />
      <div class="stack"><${Deciding} order=${data} isOwn=${data.account.id === own.data.account_id} onDecide=${(kind) => setDeciding({ kind, order: data })} />
        <${Customer} account=${data.account} />
        <${Card} title="Progress" id="progress"><${Timeline} label="Progress of the order" steps=${stepsOf(withNames(data))} /></${Card}></div></div>`}
    ${deciding?.kind === "approve" && html`<${Approve} order=${deciding.order} onClose=${close} send=${(body) => decide("approve", body)} />`}
    ${deciding?.kind === "reject" && html`<${Reject} order=${deciding.order} onClose=${close} send=${(body) => decide("reject", body)} />`}</${View}>`;
}

const withNames = (order) => ({
  ...order,
  timeline: order.timeline.map((entry) => ({ ...entry, by: (entry.by === "administrator" && order.decided_by) || (entry.by === "you" ? CUSTOMER : entry.by) })),
});

function Deciding({ order, isOwn, onDecide }) {
  const waits = order.status === "in_review";
  return html`<${Card} title="Decision" id="decision" actions=${html`<${OrderBadge} status=${order.status} />`}><div class="stack">
    <div><div role="status"><span class="visually-hidden">The order is ${order.status.replaceAll("_", " ")}.</span></div><p class="figure num">${amountOf(order)}</p></div>
    <${Facts} items=${[
      ["Credit", html`<span class="num">${exact(order.credit)}</span>`],
      order.currency !== "USD" && ["Rate", rateText(order.currency, order.rate)],
      ["Method", METHODS[order.method] || order.method],
      ["Created", html`<${Time} at=${order.created} /> ${zone}`],
      isPending(order) && ["Expires", html`<${Time} at=${order.expires_at} /> ${zone}`],
      order.note && ["Customer's note", order.note],
      order.reason && [order.status === "rejected" ? "Reason" : "Note", order.reason],
      order.decided_by && ["Decided by", order.decided_by],
    ]} />
    <${CopyLine} text=${order.reference} label="reference" />
    ${order.status === "submitted" && html`<${Notice}>It can be decided about as soon as it is in review, a moment after it was made.</${Notice}>`}
    ${order.status === "credited" && html`<${Notice} tone="good" title="Credited">${exact(order.credit)} were added to the balance.</${Notice}>`}
    ${waits && isOwn && html`<${Notice} tone="warn" title="This order is your own">Another administrator has to decide about it.</${Notice}>`}
    ${waits && !isOwn && html`<div class="row"><${Button} kind="primary" onClick=${() => onDecide("approve")}>Approve</${Button}>
      <${Button} kind="danger" onClick=${() => onDecide("reject")}>Reject</${Button}></div>`}</div></${Card}>`;
}

const Customer = ({ account }) => html`<${Card} title="Account" id="account"><${Facts} items=${[
  ["Owner", html`<${AccountLink} id=${account.id} email=${account.email} />`],
  ["Account id", html`<code class="small">${account.id}</code>`],
  ["Status", account.status ? html`<${AccountStatus} status=${account.status} />` : "There is no such account"],
  ["Available", html`<${Money} amount=${account.balance} places=${placesOf([account.balance, account.credits_total])} />`],
  ["Credited so far", html`<${Money} amount=${account.credits_total} places=${placesOf([account.balance, account.credits_total])} />`],
  ["Orders", account.orders_count >= COUNTED_MAX ? `${COUNTED_MAX} or more` : `${account.orders_count}, this one included`],
]} /></${Card}>`;

const Repeated = ({ order }) => html`<${Facts} items=${[
  ["Amount", html`<strong class="num">${amountOf(order)}</strong>`],
  ["Credit", html`<span class="num">${exact(order.credit)}</span>`],
  ["Account", html`<strong class="break">${order.account.email || order.account.id}</strong><br /><code class="small">${order.account.id}</code>`],
  ["Reference", html`<code>${order.reference}</code>`],
]} />`;

function Approve({ order, send, onClose }) {
  const paid = order.method === "bank_transfer" ? `${amountOf(order)} with the reference ${order.reference} have arrived.` : `A contract covers ${amountOf(order)}.`;
  return html`<${Decision} title=${`Approve ${amountOf(order)} for ${order.account.email || order.account.id}?`} label=${`Approve ${amountOf(order)}`} sure=${paid}
    reason=${{ label: "Note (optional)", hint: "The customer can read it.", optional: true }} onClose=${onClose} what="The order was not approved."
    send=${(note) => send({ amount: order.amount, account_id: order.account.id, ...(note && { note }) })}>
    <${Repeated} order=${order} />
    ${!order.receipt && html`<${Notice} tone="warn">The customer has sent no receipt.</${Notice}>`}
    ${order.account.status !== "active" && html`<${Notice} tone="warn">The account is ${order.account.status || "not there"}.</${Notice}>`}</${Decision}>`;
}

const Reject = ({ order, send, onClose }) => html`<${Decision} title=${`Reject ${amountOf(order)} of ${order.account.email || order.account.id}?`} label=${`Reject ${amountOf(order)}`} danger
  reason=${{ label: "Reason", hint: "The customer reads it." }} onClose=${onClose} what="The order was not rejected." send=${(reason) => send({ reason })}>
  <${Repeated} order=${order} /></${Decision}>`;
