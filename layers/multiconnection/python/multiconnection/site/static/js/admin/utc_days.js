// Whole days in UTC, as the roll-up of revenue has them: "2026-11-22".
const DAY_S = 86400;
export const DAYS_MAX = 366;

export const startOf = (day) => Date.parse(`${day}T00:00:00Z`) / 1000;
export const dayAt = (s) => new Date(s * 1000).toISOString().slice(0, 10);
export const isDay = (text) => /^\d{4}-\d\d-\d\d$/.test(text || "") && !Number.isNaN(startOf(text));

// The last `count` days with the one of `nowS`.
export const lastDays = (nowS, count) => ({ from: dayAt(nowS - (count - 1) * DAY_S), to: dayAt(nowS) });

// From the first to the last day, both included.
export function daysBetween(from, to) {
  const days = [];
  for (let s = startOf(from); s <= startOf(to) && days.length < DAYS_MAX; s += DAY_S) days.push(dayAt(s));
  return days;
}

// "2026-11-01 to 2026-11-03, 2026-11-07"
export function spans(days) {
  const found = [];
  for (const day of [...days].sort()) {
    const last = found.at(-1);
    if (last && startOf(day) - startOf(last[1]) === DAY_S) last[1] = day;
    else found.push([day, day]);
  }
  return found.map(([first, last]) => (first === last ? first : `${first} to ${last}`)).join(", ");
}
