// Money that moves in both directions, and shares of it.
import { nano, whole } from "../lib/money.js";

export const signed = (text) => whole(text, "exceptZero");
export const isNegative = (text) => nano(text) < 0n;

// "12.3 %" of a whole, "—" where there is none.
export function share(part, all) {
  const base = nano(all);
  return base > 0n ? `${(Number((nano(part) * 1000n) / base) / 10).toFixed(1)} %` : "—";
}
