// What several admin views show: an account and its state, an amount with its sign, where things are.
import { html } from "../lib/html.js";
import { exact } from "../lib/money.js";
import { at } from "../lib/router.js";
import { Badge, Notice, Time } from "../ui/basics.js";
import { signed } from "./amounts.js";

const ACCOUNT_STATES = { active: ["Active", "good"], suspended: ["Suspended", "bad"], frozen: ["Frozen", "bad"] };

export const accountHref = (id) => at(`/accounts/${encodeURIComponent(id)}`);
export const orderHref = (id) => at(`/orders/${encodeURIComponent(id)}`);
export const modelHref = (id) => at(`/models/${encodeURIComponent(id)}`);
export const adjustmentHref = (id) => at(`/accounts/adjustments?adjustment=${encodeURIComponent(id)}`);
// Ids of models have slashes in them, which are slashes of the path.
export const modelPath = (id) => `/api/admin/models/${id.split("/").map(encodeURIComponent).join("/")}`;

export const AccountLink = ({ id, email }) => html`<a class="break" href=${accountHref(id)}>${email || html`<code>${id}</code>`}</a>`;

export function AccountStatus({ status }) {
  const [label, tone] = ACCOUNT_STATES[status] || [status || "Unknown", "warn"];
  return html`<${Badge} tone=${tone}>${label}</${Badge}>`;
}

// An amount given or taken, with every digit.
export const Change = ({ amount }) => html`<span class="num" title=${exact(amount)}>${signed(amount)}</span>`;

// What somebody is told who decided too late.
export const Late = ({ title, details, word }) => html`<${Notice} tone="warn" title=${title} alert>
  <p>It is ${word(details.status)}${details.decided_by ? html`: ${details.decided_by} decided` : null}${details.decided_at ? html`, <${Time} at=${details.decided_at} />` : null}.
    Your decision changed nothing.</p></${Notice}>`;

// Why an account waits for its test credit; other reasons are final.
export const AWAITS = {
  awaiting_approval: "New accounts of this deployment are granted it by an administrator.",
  network_limit: "Its network had used up the test credits of that day.",
};
