// One adjustment in full, with the decision that a second administrator makes.
import { api } from "../lib/api.js";
import { html, useState } from "../lib/html.js";
import { sum, whole } from "../lib/money.js";
import { useResource } from "../lib/resource.js";
import { zone } from "../lib/time.js";
import { Badge, Button, CopyLine, Facts, Notice, Problem, Skeleton, Time } from "../ui/basics.js";
import { Dialog } from "../ui/dialog.js";
import { useShared } from "../ui/shell.js";
import { signed } from "./amounts.js";
import { Decision } from "./decision.js";
import { AccountLink, Change, Late } from "./parts.js";

export const STATES = {
  awaiting_second: ["Awaiting a second", "warn"], applied: ["Applied", "good"], rejected: ["Rejected", "bad"], refused: ["Refused", "bad"], approved: ["Approved", "accent"],
};

export function AdjustmentDrawer({ id, onClose, onChange }) {
  const path = `/api/admin/adjustments/${encodeURIComponent(id)}`;
  const adjustment = useResource(path);
  const data = adjustment.data;
  const account = useResource(data ? `/api/admin/accounts/${encodeURIComponent(data.account_id)}` : null);
  const [doing, setDoing] = useState("");
  const [late, setLate] = useState(null);
  const decide = (action) => async (reason) => {
    try {
      adjustment.set((await api.post(`${path}/${action}`, action === "reject" ? { reason } : undefined)).adjustment);
    } catch (error) {
      // Refused is final, and it is the adjustment's own state that says so.
      if (error.code === "adjustment_refused") onChange();
      if (error.code !== "adjustment_not_pending") throw error;
      setLate(error.details);
    }
    setDoing("");
    adjustment.reload();
    account.reload();
    onChange();
  };
  const close = () => { setDoing(""); adjustment.reload(); };
  const owner = account.data?.email || data?.account_id;
  // Both or neither, so that nothing moves under the button.
  const isKnown = data && (account.data || account.error);
  return html`<${Dialog} drawer title="Adjustment" onClose=${onClose}><div class="stack"><${CopyLine} text=${id} label="adjustment id" />
      ${late && html`<${Late} title="Somebody was faster" details=${late} word=${(status) => STATES[status]?.[0].toLowerCase() || status} />`}
      ${adjustment.error && html`<${Problem} error=${adjustment.error} what="This adjustment could not be loaded." retry=${adjustment.reload} />`}
      ${isKnown ? html`<${Details} adjustment=${data} account=${account} onDecide=${setDoing} />` : !adjustment.error && html`<${Skeleton} lines=${8} height="24px" />`}</div>
    ${doing === "approve" && html`<${Decision} title="Approve this adjustment?" label=${`Approve ${signed(data.amount)}`} onClose=${close} send=${decide("approve")} what="The adjustment was not booked.">
      <p><strong><${Change} amount=${data.amount} /></strong> for <strong class="break">${owner}</strong>, at once.</p><p><code class="break">${data.account_id}</code></p></${Decision}>`}
    ${doing === "reject" && html`<${Decision} title="Reject this adjustment?" label="Reject the adjustment" danger reason=${{ label: "Reason", hint: "Kept with the adjustment." }} onClose=${close} send=${decide("reject")}>
      <p><strong><${Change} amount=${data.amount} /></strong> for <strong class="break">${owner}</strong>. Nothing is booked.</p></${Decision}>`}</${Dialog}>`;
}

function Details({ adjustment, account, onDecide }) {
  const { account: own } = useShared();
  const [label, tone] = STATES[adjustment.status] || [adjustment.status, ""];
  const waits = adjustment.status === "awaiting_second";
  const proposed = adjustment.proposed_by === own.data.email;
  const mine = proposed || adjustment.account_id === own.data.account_id;
  return html`<div class="stack">
    <p class="row between"><${Badge} tone=${tone}>${label}</${Badge}><strong class="figure"><${Change} amount=${adjustment.amount} /></strong></p>
    <${Facts} items=${[
      ["Account", html`<${AccountLink} id=${adjustment.account_id} email=${account.data?.email} />`],
      account.data && ["Available now", html`<span class="num">${whole(account.data.available)}</span>`],
      account.data && waits && ["Available then", html`<span class="num">${whole(sum(account.data.available, adjustment.amount))}</span>`],
      ["Reason", adjustment.reason],
      ["Proposed", html`<${Time} at=${adjustment.created} /> ${zone}, by ${adjustment.proposed_by}`],
      adjustment.decided_by && ["Decided", html`<${Time} at=${adjustment.decided_at} /> ${zone}, by ${adjustment.decided_by}`],
      adjustment.note && ["Reason of the decision", adjustment.note],
    ]} />
    <${Problem} error=${account.error} what="The account could not be loaded." retry=${account.reload} />
    ${adjustment.status === "refused" && html`<${Notice} tone="bad">Less was available than it would have taken. Nothing was booked.</${Notice}>`}
    ${waits && mine && html`<${Notice} tone="warn" title="A second administrator is needed">${proposed ? "You proposed it" : "It is about your own account"}, so somebody else has to approve it.</${Notice}>`}
    ${waits && html`<div class="row">${!mine && html`<${Button} kind="primary" onClick=${() => onDecide("approve")}>Approve</${Button}>`}
      <${Button} kind="danger" onClick=${() => onDecide("reject")}>${proposed ? "Withdraw" : "Reject"}</${Button}></div>`}
    ${adjustment.status === "approved" && html`<div class="row"><p>It is decided and not booked yet.</p><${Button} onClick=${() => onDecide("approve")}>Book it now</${Button}></div>`}</div>`;
}
