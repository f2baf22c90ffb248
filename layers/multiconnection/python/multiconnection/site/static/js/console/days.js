// Every day of a span, also those without calls; `to` is not part of it. A day of 23 or 25 hours is met once.
import { DAY_S, dayOf } from "../lib/time.js";

const DAYS_MAX = 400;

export function filledDays(days, { from, to }) {
  const known = new Map(days.map((day) => [day.day, day]));
  const filled = [];
  for (let s = from; s < to + DAY_S && filled.length < DAYS_MAX; s += DAY_S) {
    const day = dayOf(Math.min(s, to - 1));
    if (filled.at(-1)?.day === day) continue;
    filled.push(known.get(day) || { day, calls: 0, cost: "0", tokens_in: 0, tokens_out: 0, groups: [] });
  }
  return filled;
}
