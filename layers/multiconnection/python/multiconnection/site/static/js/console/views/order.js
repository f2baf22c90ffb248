// One order: where to pay, the receipt, and what happens to it, live.
import { api } from "../../lib/api.js";
import { html, useEffect, useRef, useState } from "../../lib/html.js";
import { exact } from "../../lib/money.js";
import { useResource } from "../../lib/resource.js";
import { at } from "../../lib/router.js";
import { moment, zone } from "../../lib/time.js";
import { Button, Card, CopyLine, Facts, LinkButton, Notice, Problem, Skeleton, Time } from "../../ui/basics.js";
import { Confirm } from "../../ui/dialog.js";
import { balanceChanged, useShared } from "../../ui/shell.js";
import { Timeline } from "../../ui/timeline.js";
import { View, Waiting } from "../../ui/view.js";
import { METHODS, OrderBadge, amountOf, isOpen, isPending, rateText, stepsOf } from "../orders.js";
import { Receipt } from "../receipt.js";

const POLL_MS = 3000;

export default function OrderView({ id }) {
  const path = `/api/orders/${encodeURIComponent(id)}`;
  const order = useResource(path, { poll: (data) => (isPending(data) ? POLL_MS : 0) });
  const options = useResource("/api/orders/options");
  const { account } = useShared();
  const [cancelling, setCancelling] = useState(false);
  const data = order.data;
  const status = useRef(null);
  useEffect(() => {
    if (status.current && data && status.current !== data.status && data.status === "credited") balanceChanged();
    if (data) status.current = data.status;
  }, [data?.status]);

  if ((!data && !order.error) || (!options.data && !options.error)) return html`<${Waiting} />`;
  return html`<${View} title=${data ? `Order ${data.reference}` : "Order"} back=${[at("/billing"), "Billing"]}
    actions=${data && html`<${Actions} order=${data} onCancel=${() => setCancelling(true)} />`}>
    ${order.error && html`<${Problem} error=${order.error} what=${data ? "The order could not be refreshed." : "This order could not be loaded."} retry=${order.reload} />`}
    ${data && html`<div class="columns"><div class="stack">
        ${isOpen(data) && html`<${Pay} order=${data} options=${options} />`}
        ${(isOpen(data) || data.receipt) && html`<${Receipt} order=${data} onChange=${order.set} />`}
        <${Card} title="Details" id="details"><${Facts} items=${[
          ["Amount", html`<span class="num">${amountOf(data)}</span>`],
          data.currency !== "USD" && ["Rate", rateText(data.currency, data.rate)],
          ["Credit", html`<span class="num">${exact(data.credit)}</span>`],
          ["Method", METHODS[data.method] || data.method],
          ["Account", account.data.email],
          options.data && [byContract(data) ? "Contract with" : "Paid to", options.data.legal_entity],
          ["Created", html`<${Time} at=${data.created} /> ${zone}`],
          isPending(data) && ["Expires", html`<${Time} at=${data.expires_at} /> ${zone}`],
          data.note && ["Note", data.note],
          ["Order id", html`<code>${data.id}</code>`],
        ]} /></${Card}></div>
      <div class="stack"><${Card} title="Progress" id="progress" actions=${html`<${OrderBadge} status=${data.status} />`}>
        <div role="status"><span class="visually-hidden">The order is ${data.status.replaceAll("_", " ")}.</span></div>
        <${Timeline} label="Progress of the order" steps=${stepsOf(data)} /></${Card}>
        ${data.status === "credited" && html`<${Notice} tone="good" title="Credited">${exact(data.credit)} were added to your balance. <a href=${at("/billing?tab=credits")}>See all credits</a></${Notice}>`}</div></div>`}
    ${cancelling && html`<${Confirm} title=${`Cancel order ${data.reference}?`} label="Cancel the order" keep="Keep the order" action=${async () => order.set(await api.post(`${path}/cancel`))}
      onClose=${() => setCancelling(false)} onDone=${() => setCancelling(false)}><p>${amountOf(data)} by ${METHODS[data.method] || data.method}. ${byContract(data) ? "" : "If you have transferred the money already, send the receipt instead."}</p></${Confirm}>`}</${View}>`;
}

// While it is open it can be cancelled, once it is paid it can be printed, and after a bad end there can be another one.
function Actions({ order, onCancel }) {
  if (isOpen(order)) return html`<${Button} kind="danger" onClick=${onCancel}>Cancel the order</${Button}>`;
  if (order.status === "credited") return html`<${Button} onClick=${() => print()}>Print</${Button}>`;
  return isPending(order) ? null : html`<${LinkButton} kind="primary" icon="plus" href=${at("/billing/recharge")}>New order</${LinkButton}>`;
}

const byContract = (order) => order.method === "enterprise_contract";

const Contract = ({ order }) => html`<${Card} title="Contract" id="pay"><div class="stack">
  <p>An administrator checks that your contract covers <strong class="num">${amountOf(order)}</strong>, before <strong>${moment(order.expires_at)}</strong> ${zone}. Nothing has to be transferred for this order. Name this reference when you write to us:</p>
  <${CopyLine} text=${order.reference} label="reference" /></div></${Card}>`;

function Pay({ order, options }) {
  const details = options.data?.bank_details;
  if (byContract(order)) return html`<${Contract} order=${order} />`;
  return html`<${Card} title="Pay" id="pay"><div class="stack">
    <p>Transfer <strong class="num">${amountOf(order)}</strong> before <strong>${moment(order.expires_at)}</strong> ${zone}, with this reference:</p>
    <${CopyLine} text=${order.reference} label="reference" />
    ${options.error ? html`<${Problem} error=${options.error} what="The bank details could not be loaded." retry=${options.reload} />`
      : options.data ? html`<${Facts} items=${[["Paid to", options.data.legal_entity], ...(details || []).map(({ label, value }) => [label, html`<span class="num">${value}</span>`])]} />
        ${!details && html`<p class="muted">The bank details are confirmed by an administrator, who writes to you.</p>`}` : html`<${Skeleton} lines=${3} height="22px" />`}</div></${Card}>`;
}
