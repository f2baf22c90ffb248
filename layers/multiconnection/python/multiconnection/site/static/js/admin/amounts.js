// Money that moves in both directions, and shares of it.
import { fromNano, nano } from "../lib/money.js";

const size = (amount) => (amount < 0n ? -amount : amount);

// Every digit that says something, and at least the cents.
export function trimmed(text) {
  const [whole, part] = fromNano(size(nano(text))).split(".");
  return `${whole}.${part.replace(/0+$/, "").padEnd(2, "0")}`;
}

export function signed(text) {
  const amount = nano(text);
  return `${amount > 0n ? "+" : amount < 0n ? "-" : ""}$${trimmed(text)}`;
}

export const sum = (a, b) => fromNano(nano(a) + nano(b));
export const isNegative = (text) => nano(text) < 0n;

// "12.3 %" of a whole, "—" where there is none.
export function share(part, whole) {
  const base = nano(whole);
  return base > 0n ? `${(Number((nano(part) * 1000n) / base) / 10).toFixed(1)} %` : "—";
}
