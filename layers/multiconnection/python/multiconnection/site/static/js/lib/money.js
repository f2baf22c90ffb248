// Money is decimal strings and BigInt nano-dollars; never a float.
const NANO_DIGITS = 9;
const CENT_DIGITS = 2;
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

// To the nearest step of `places` decimals, halves away from zero.
export function rounded(text, places = 2) {
  const amount = fromNano(nearest(nano(text), stepOf(places)));
  return amount.slice(0, amount.length - NANO_DIGITS + places);
}

const stepOf = (places) => 10n ** BigInt(NANO_DIGITS - places);

function nearest(amount, step) {
  const size = amount < 0n ? -amount : amount;
  const near = ((size + step / 2n) / step) * step;
  return amount < 0n ? -near : near;
}

// How many decimals figures need that are shown together: as few as possible, from two on, at which each of them shows
// two of its digits or is exact, and shown parts add up to the shown total where they do in fact. At nine all is exact.
// `sums`: [[total, parts], …]; totals and parts need not be among `amounts`.
export function placesOf(amounts, sums = []) {
  const figures = [...amounts, ...sums.flat(2)].map(nano);
  const totals = sums.filter(([total, parts]) => addUp(parts, total)).map(([total, parts]) => [nano(total), parts.map(nano)]);
  for (let places = CENT_DIGITS; places < NANO_DIGITS; places += 1) {
    const step = stepOf(places);
    const tells = (amount) => amount % step === 0n || amount >= 10n * step || amount <= -10n * step;
    const addsUp = ([total, parts]) => parts.reduce((sum, part) => sum + nearest(part, step), 0n) === nearest(total, step);
    if (figures.every(tells) && totals.every(addsUp)) return places;
  }
  return NANO_DIGITS;
}

// An account's figures have the same decimals on every page, so that they add up from one to the next.
export const balancePlaces = ({ credits_in: credited, available, in_flight: inFlight, charged }, sums = []) =>
  placesOf([], [[credited, [available, inFlight, charged]], ...sums]);

export const sum = (...amounts) => fromNano(amounts.reduce((total, amount) => total + nano(amount), 0n));
export const addUp = (parts, total) => sum(...parts) === fromNano(nano(total));
export const difference = (a, b) => fromNano(nano(a) - nano(b));

const format = (value, places) => new Intl.NumberFormat(undefined, {
  style: "currency", currency: "USD", minimumFractionDigits: places, maximumFractionDigits: places,
}).format(value);

export const usd = (text, places = placesOf([text])) => format(rounded(text, places), places);

// Every digit that says something, and at least the cents.
export const whole = (text, signDisplay = "auto") => new Intl.NumberFormat(undefined, {
  style: "currency", currency: "USD", minimumFractionDigits: CENT_DIGITS, maximumFractionDigits: NANO_DIGITS, signDisplay,
}).format(fromNano(nano(text)));

// With the decimals of the longest, and as it was written: an amount of a line may have more digits than a balance has.
export const aligned = (texts) => {
  const decimals = texts.map((text) => (text.split(".")[1] || "").length);
  const most = Math.max(...decimals);
  return texts.map((text, n) => (decimals[n] ? text : `${text}.`) + "0".repeat(most - decimals[n]));
};
export const written = (text) => (text.startsWith("-") ? `-$${text.slice(1)}` : `$${text}`);

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
  if (min && nano(value) < nano(min)) return `The smallest amount is ${whole(min)} ${unit}.`;
  if (max && nano(value) > nano(max)) return `The largest amount is ${whole(max)} ${unit}.`;
  return "";
}
