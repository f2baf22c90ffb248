// Money that moves in both directions, and shares of it.
import { fromNano, nano } from "../lib/money.js";

// Every digit that says something, and at least the cents.
const format = (signDisplay) => new Intl.NumberFormat(undefined, {
  style: "currency", currency: "USD", minimumFractionDigits: 2, maximumFractionDigits: 9, signDisplay,
});
export const whole = (text) => format("auto").format(fromNano(nano(text)));
export const signed = (text) => format("exceptZero").format(fromNano(nano(text)));

export const sum = (a, b) => fromNano(nano(a) + nano(b));
export const isNegative = (text) => nano(text) < 0n;

// "12.3 %" of a whole, "—" where there is none.
export function share(part, whole) {
  const base = nano(whole);
  return base > 0n ? `${(Number((nano(part) * 1000n) / base) / 10).toFixed(1)} %` : "—";
}
