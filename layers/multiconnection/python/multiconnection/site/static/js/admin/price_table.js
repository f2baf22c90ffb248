// Price tables as the catalog has them, as rows that can be laid side by side, changed, and put together again.
const NAMES = {
  input: ["Input", "1M tokens"], cached_input: ["Cached input", "1M tokens"], cache_write: ["Cache write", "1M tokens"],
  output: ["Output", "1M tokens"], input_audio: ["Audio input", "1M tokens"], output_audio: ["Audio output", "1M tokens"],
  input_image: ["Image input", "1M tokens"], output_image: ["Image output", "1M tokens"],
  characters: ["Characters", "1M characters"], seconds: ["Audio", "second"], images: ["Image", "image"],
};
const LONG = "long_context";
const PRICE = /^\d{1,9}(\.\d{1,12})?$/;

// {images: {"1024x1024": {high: "0.2"}}} → [{key, path: ["images", "1024x1024", "high"], value: "0.2"}]
export function rowsOf(prices, path = []) {
  return Object.entries(prices || {}).flatMap(([name, value]) => {
    const here = [...path, name];
    return typeof value === "object" ? rowsOf(value, here) : [{ key: here.join("."), path: here, value }];
  });
}

// As one reads them: input before output, long prompts last.
export function ordered(rows) {
  const rank = ({ path }) => {
    const isLong = path[0] === LONG;
    const place = Object.keys(NAMES).indexOf(path[isLong ? 1 : 0]);
    return (place < 0 ? 99 : place) + (isLong ? 100 : 0);
  };
  return [...rows].sort((a, b) => rank(a) - rank(b));
}

export function nested(rows) {
  const table = {};
  for (const { path, value } of rows) {
    let place = table;
    for (const name of path.slice(0, -1)) place = place[name] ??= {};
    place[path.at(-1)] = value;
  }
  return table;
}

// [what is paid for, for how much of it]
export function kindOf(path) {
  const long = path[0] === LONG;
  const [kind, ...detail] = long ? path.slice(1) : path;
  const [name, unit] = NAMES[kind] || [kind, "unit"];
  return [`${name}${detail.length ? ` ${detail.join(", ")}` : ""}${long ? ", long prompts" : ""}`, unit];
}

export const nameOfKey = (key, rows) => kindOf(rows.find((row) => row.key === key)?.path || [key])[0];

export function dollars(price) {
  const [whole, part = ""] = price.split(".");
  return `$${whole}.${part.replace(/0+$/, "").padEnd(2, "0")}`;
}

// By how much a price differs, in %; null where there is nothing to compare with.
export function percent(old, now) {
  if (!PRICE.test(old ?? "") || !PRICE.test(now ?? "") || Number(old) === 0) return null;
  return Math.round(((Number(now) - Number(old)) / Number(old)) * 10000) / 100;
}

export const percentText = (value) => (value === null ? "new" : `${value > 0 ? "+" : ""}${value} %`);

export function priceProblem(text) {
  if (!text.trim()) return "Enter a price; 0 is one.";
  return PRICE.test(text.trim()) ? "" : "Use digits and a point, such as 0.15.";
}

export const isSame = (a, b) => Number(a) === Number(b);

// One line for a list of models.
export function summary(prices) {
  const rows = rowsOf(prices).filter(({ path }) => path[0] !== LONG);
  const images = rows.filter(({ path }) => path[0] === "images").sort((a, b) => a.value - b.value);
  if (images.length) {
    const [least, most] = [images[0].value, images.at(-1).value];
    return `${dollars(least)}${isSame(least, most) ? "" : ` to ${dollars(most)}`} per image`;
  }
  const shown = rows.filter(({ key }) => key === "input" || key === "output");
  if (shown.length) return shown.map(({ path, value }) => `${kindOf(path)[0]} ${dollars(value)}`).join(", ");
  return rows.length ? `${dollars(rows[0].value)} per ${kindOf(rows[0].path)[1]}` : "Free";
}
