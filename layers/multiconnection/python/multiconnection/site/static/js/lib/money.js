// Money is decimal strings and BigInt nano-dollars; never a float.
const NANO_DIGITS = 9;
const DECIMAL = /^(-?)(\d+)(?:\.(\d{1,9}))?$/;

export function nano(text) {
  const match = DECIMAL.exec(text ?? "");
  if (!match) return 0n;
  const size = BigInt(match[2] + (match[3] || "").padEnd(NANO_DIGITS, "0"));
  return match[1] ? -size : size;
}

export function fromNano(amount) {
  const digits = (amount < 0n ? -amount : amount).toString().padStart(NANO_DIGITS + 1, "0");
  return `${amount < 0n ? "-" : ""}${digits.slice(0, -NANO_DIGITS)}.${digits.slice(-NANO_DIGITS)}`;
}

// Rounded down, so that nobody is shown a cent that is not there.
export function floor(text, places = 2) {
  const step = 10n ** BigInt(NANO_DIGITS - places);
  const amount = nano(text);
  let steps = amount / step;
  if (amount < 0n && amount % step) steps -= 1n;
  const whole = fromNano(steps * step);
  return whole.slice(0, whole.length - NANO_DIGITS + places);
}

const format = (value, places) => new Intl.NumberFormat(undefined, {
  style: "currency", currency: "USD", minimumFractionDigits: places, maximumFractionDigits: places,
}).format(value);

export const usd = (text, places = 2) => format(floor(text, places), places);

// As it was written: an amount of a line may have more digits than a balance has.
export const written = (text) => (text.startsWith("-") ? `-$${text.slice(1)}` : `$${text}`);

// Small charges keep the digits that matter: $0.000271, not $0.00.
export function usdSmall(text) {
  const amount = nano(text);
  if (amount === 0n) return format("0", 2);
  if (amount > 0n && amount < 1000n) return `< ${format("0.000001", 6)}`;
  return usd(text, amount < 1_000_000_000n ? 6 : 4);
}

export const exact = (text) => written(fromNano(nano(text)).replace(/\B(?=(\d{3})+\.)/g, ","));
export const inCurrency = (text, currency) => new Intl.NumberFormat(undefined, { style: "currency", currency }).format(text);
export const count = (n) => new Intl.NumberFormat().format(n);
export const compact = (n) => new Intl.NumberFormat(undefined, { notation: "compact", maximumFractionDigits: 1 }).format(n);

// Why an amount would be refused, or "".
export function amountProblem(text, { places = 2, min = null, max = null, unit = "USD" } = {}) {
  const value = text.trim();
  if (!value) return "Enter an amount.";
  if (!/^\d{1,10}(\.\d+)?$/.test(value)) return "Use digits and a decimal point, such as 25.50.";
  if ((value.split(".")[1] || "").length > places) return `At most ${places} digits after the point.`;
  if (nano(value) <= 0n) return "The amount has to be more than zero.";
  if (min && nano(value) < nano(min)) return `The least is ${usd(min)} ${unit}.`;
  if (max && nano(value) > nano(max)) return `The most is ${usd(max)} ${unit}.`;
  return "";
}
