// One account: its money, keys, orders and credits; suspended, resumed and adjusted with a reason.
import { api } from "../../lib/api.js";
import { html, useState } from "../../lib/html.js";
import { balancePlaces, count, exact } from "../../lib/money.js";
import { useResource } from "../../lib/resource.js";
import { at, navigate } from "../../lib/router.js";
import { date, until, zone } from "../../lib/time.js";
import { Badge, Button, Card, CopyLine, Empty, Facts, Money, Notice, Problem, Time } from "../../ui/basics.js";
import { useShared } from "../../ui/shell.js";
import { Table } from "../../ui/table.js";
import { View, Waiting } from "../../ui/view.js";
import { METHODS, OrderBadge, amountOf } from "../../console/orders.js";
import { Adjust } from "../adjust.js";
import { Decision } from "../decision.js";
import { AWAITS, AccountStatus, Change, adjustmentHref, orderHref } from "../parts.js";

const KEY_STATES = { active: ["Active", "good"], disabled: ["Disabled", ""], expired: ["Expired", "warn"] };
const KINDS = { grant: "Grant", order: "Recharge", adjustment: "Adjustment", refund: "Refund" };
const KEYS = [
  { key: "name", label: "Name", head: true, width: "30%", render: (key) => html`<span class="break">${key.name}</span><code class="sub">${key.prefix}${key.last4}</code>` },
  { key: "status", label: "Status", render: (key) => html`<${Badge} tone=${KEY_STATES[key.status]?.[1]}>${KEY_STATES[key.status]?.[0] || key.status}</${Badge}>` },
  { key: "kind", label: "Kind", render: (key) => (key.kind === "session" ? "Playground" : "API") },
  { key: "budget", label: "Budget", num: true, render: (key) => (key.budget ? html`<${Money} quiet amount=${key.budget} />` : html`<span class="muted">No limit</span>`) },
  { key: "created", label: "Created", render: (key) => date(key.created) },
  { key: "ends", label: "Ends", render: (key) => (key.expires_at ? html`<${Time} at=${key.expires_at} as=${until} />` : html`<span class="muted">Never</span>`) },
];
const ORDERS = [
  { key: "reference", label: "Reference", head: true, render: (order) => html`<a href=${orderHref(order.id)}><code>${order.reference}</code></a>` },
  { key: "created", label: `Created (${zone})`, width: "24%", wide: true, render: (order) => html`<${Time} at=${order.created} />` },
  { key: "method", label: "Method", width: "20%", render: (order) => METHODS[order.method] || order.method },
  { key: "status", label: "Status", render: (order) => html`<${OrderBadge} status=${order.status} />` },
  { key: "amount", label: "Amount", num: true, render: amountOf },
];
const CREDITS = [
  { key: "created", label: `Time (${zone})`, head: true, width: "24%", render: (credit) => html`<${Time} at=${credit.created} />` },
  { key: "kind", label: "Kind", width: "16%", render: (credit) => html`<${Badge}>${KINDS[credit.kind] || credit.kind}</${Badge}>` },
  { key: "note", label: "Note", wide: true, render: (credit) => (credit.order_id ? html`<a class="break" href=${orderHref(credit.order_id)}>${credit.note || "Order"}</a>` : html`<span class="break">${credit.note || "—"}</span>`) },
  { key: "amount", label: "Amount", num: true, width: "22%", render: (credit) => html`<${Change} amount=${credit.amount} />` },
];

export default function Account({ id }) {
  const path = `/api/admin/accounts/${encodeURIComponent(id)}`;
  const account = useResource(path);
  const { account: own } = useShared();
  const [doing, setDoing] = useState("");
  const [adjusted, setAdjusted] = useState(null);
  const data = account.data;
  if (!data && !account.error) return html`<${Waiting} />`;

  const close = () => { setDoing(""); account.reload(); };
  const change = (action) => async (reason) => {
    account.set({ ...data, ...(await api.post(`${path}/${action}`, { reason })) });
    close();
  };
  const booked = (adjustment) => { setAdjusted(adjustment); close(); };
  const isOwn = own.data.account_id === id;
  return html`<div class="break"><${View} title=${data?.email || "Account"} back=${[at("/accounts"), "Accounts"]} actions=${data && html`
      ${AWAITS[data.test_credit] && html`<${Button} kind="primary" disabled=${isOwn} onClick=${() => setDoing("grant")}>Grant the test credit</${Button}>`}
      <${Button} disabled=${isOwn} onClick=${() => setDoing("adjust")}>Adjust the balance</${Button}>
      ${data.status === "active" ? html`<${Button} kind="danger" onClick=${() => setDoing("suspend")}>Suspend</${Button}>`
        : html`<${Button} kind="primary" onClick=${() => setDoing("resume")}>Resume</${Button}>`}`}>
    ${account.error && html`<${Problem} error=${account.error} what=${data ? "The account could not be refreshed." : "This account could not be loaded."} retry=${account.reload} />`}
    ${data && html`<${Told} account=${data} isOwn=${isOwn} adjusted=${adjusted} />
      <section class="card" aria-label="Balance"><dl class="figure-row">${[["Available", data.available], ["In flight", data.in_flight], ["Credited so far", data.credits_in], ["Charged so far", data.charged]].map(([name, amount]) =>
        html`<div key=${name}><dt class="muted small">${name}</dt><dd class="figure num"><${Money} amount=${amount} places=${balancePlaces(data)} /></dd></div>`)}</dl></section>
      <${Card} title="Details" id="details" actions=${html`<${AccountStatus} status=${data.status} />`}><div class="stack"><${CopyLine} text=${data.id} label="account id" />
        <${Facts} items=${[["Name", data.name || "—"], ["E-mail", data.email || "Nobody has signed in yet"], ["Since", html`<${Time} at=${data.created} /> ${zone}`], ["Running calls", count(data.live_calls)]]} /></div></${Card}>
      <${List} title="Keys" columns=${KEYS} rows=${data.keys} none="There is no key." />
      <${List} title="Latest orders" columns=${ORDERS} rows=${data.orders} none="There is no recharge order." onOpen=${(order) => navigate(orderHref(order.id))} />
      <${List} title="Latest credits" columns=${CREDITS} rows=${data.credits} none="Nothing was ever credited." />`}
    ${doing === "adjust" && html`<${Adjust} account=${data} onClose=${close} onDone=${booked} />`}
    ${doing === "grant" && html`<${Decision} title="Grant the test credit?" label="Grant it" reason=${{ label: "Reason", hint: "Kept in the audit log.", optional: true }} onClose=${close} send=${change("test-credit")}>
      <p>To <strong class="break">${data.email || data.id}</strong>, once, in the amount that new accounts are granted.</p></${Decision}>`}
    ${doing === "suspend" && html`<${Decision} title="Suspend this account?" label="Suspend the account" danger reason=${{ label: "Reason", hint: "Kept in the audit log." }} onClose=${close} send=${change("suspend")}>
      <p><strong class="break">${data.email || data.id}</strong> with ${exact(data.available)} available. The next call is refused; calls that run are finished and charged.</p></${Decision}>`}
    ${doing === "resume" && html`<${Decision} title="Resume this account?" label="Resume the account" reason=${{ label: "Reason", hint: "Kept in the audit log." }} onClose=${close} send=${change("resume")}>
      <p><strong class="break">${data.email || data.id}</strong> can make calls again at once.</p></${Decision}>`}</${View}></div>`;
}

const Told = ({ account, isOwn, adjusted }) => html`
  ${adjusted?.status === "awaiting_second" && html`<${Notice} tone="warn" title="Another administrator has to approve this" alert>
    <p><${Change} amount=${adjusted.amount} /> will be booked then. <a href=${adjustmentHref(adjusted.id)}>See the adjustment</a></p></${Notice}>`}
  ${adjusted?.status === "applied" && html`<${Notice} tone="good" title="The balance is adjusted" alert><p><${Change} amount=${adjusted.amount} />: ${adjusted.reason}</p></${Notice}>`}
  ${AWAITS[account.test_credit] && html`<${Notice} tone="warn" title="Waits for its test credit">${AWAITS[account.test_credit]}</${Notice}>`}
  ${account.status === "suspended" && html`<${Notice} tone="warn" title="Suspended">Calls of this account are refused.</${Notice}>`}
  ${account.status === "frozen" && html`<${Notice} tone="bad" title="Frozen">Its books were not right, so calls are refused. Look at the <a href=${at("/reconciliation")}>reconciliation</a> before it is resumed.</${Notice}>`}
  ${isOwn && html`<${Notice}>This is your own account: another administrator has to adjust it.</${Notice}>`}`;

const List = ({ title, columns, rows, none, onOpen }) => html`<${Card} title=${title} id=${title.toLowerCase().replaceAll(" ", "-")} flush>
  <${Table} caption=${title} columns=${columns} rows=${rows} onOpen=${onOpen} empty=${html`<p class="pad muted">${none}</p>`} /></${Card}>`;
