// Words and colours for the states of a recharge order.
import { html } from "../lib/html.js";
import { fromNano, inCurrency, nano } from "../lib/money.js";
import { Badge } from "../ui/basics.js";

export const STATES = {
  submitted: ["Submitted", "accent"],
  in_review: ["In review", "accent"],
  approved: ["Approved", "good"],
  credited: ["Credited", "good"],
  rejected: ["Rejected", "bad"],
  expired: ["Expired", "warn"],
  cancelled: ["Cancelled", ""],
};
export const METHODS = { bank_transfer: "Bank transfer", enterprise_contract: "Enterprise contract" };
const WAY = ["submitted", "in_review", "approved", "credited"];
export const isPending = (order) => ["submitted", "in_review", "approved"].includes(order.status);
export const isOpen = (order) => ["submitted", "in_review"].includes(order.status);
export const amountOf = (order) => inCurrency(order.amount, order.currency);

// What an amount is worth, in USD, rounded down to the nano-dollar as the server does; `rate` is USD for one unit.
export const worth = (amount, rate) => fromNano((nano(amount) / 10_000_000n) * nano(rate) / 100n);
export const rateText = (currency, rate) => `1 ${currency} = $${rate}`;

export const OrderBadge = ({ status }) => html`<${Badge} tone=${STATES[status]?.[1]}>${STATES[status]?.[0] || status}</${Badge}>`;

const WHO = { you: "you", administrator: "an administrator", system: "the system" };

// What happened, then what is still to come; after a bad end nothing is.
export function stepsOf(order) {
  const done = order.timeline.map((entry, n) => {
    const last = n === order.timeline.length - 1;
    const bad = ["rejected", "expired", "cancelled"].includes(entry.status);
    return {
      label: STATES[entry.status]?.[0] || entry.status, at: entry.at, by: WHO[entry.by] || entry.by, reason: entry.reason || (bad && last ? order.reason : null),
      state: bad ? "bad" : last && isPending(order) ? "now" : "done",
    };
  });
  const seen = order.timeline.map((entry) => entry.status);
  const next = isPending(order) ? WAY.slice(WAY.indexOf(order.status) + 1).filter((status) => !seen.includes(status)) : [];
  return [...done, ...next.map((status) => ({ label: STATES[status][0], state: "next" }))];
}
