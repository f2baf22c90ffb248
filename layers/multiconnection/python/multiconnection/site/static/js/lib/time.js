// Times arrive as epoch seconds and are shown in the reader's zone, which is named.
export const zone = new Intl.DateTimeFormat(undefined, { timeZoneName: "short" })
  .formatToParts().find((part) => part.type === "timeZoneName").value;
const short = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const withSeconds = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });
const dayOnly = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });
const UNITS = [["year", 31536000], ["month", 2592000], ["day", 86400], ["hour", 3600], ["minute", 60]];
export const DAY_S = 86400;

export const secondsOf = (n) => `${n} ${n === 1 ? "second" : "seconds"}`;
export const nowS = () => Math.floor(Date.now() / 1000);
export const iso = (s) => new Date(s * 1000).toISOString();
export const moment = (s) => short.format(s * 1000);
export const toTheSecond = (s) => withSeconds.format(s * 1000);
export const wholeMoment = (s) => full.format(s * 1000);
export const date = (s) => dayOnly.format(s * 1000);
export const offsetMinutes = () => -new Date().getTimezoneOffset();

export function ago(s) {
  const seconds = s - nowS();
  for (const [unit, size] of UNITS) {
    if (Math.abs(seconds) >= size) return relative.format(Math.trunc(seconds / size), unit);
  }
  return seconds > 0 ? "in less than a minute" : "just now";
}

// What is near is counted down, what is far has a date.
export const until = (s) => (Math.abs(s - nowS()) < 2 * DAY_S ? ago(s) : date(s));

// "2026-11-22" in the reader's zone.
export function dayOf(s) {
  const d = new Date(s * 1000);
  return [d.getFullYear(), d.getMonth() + 1, d.getDate()].map((n) => String(n).padStart(2, "0")).join("-");
}
export const startOfDay = (day) => Math.floor(new Date(`${day}T00:00`).getTime() / 1000);
