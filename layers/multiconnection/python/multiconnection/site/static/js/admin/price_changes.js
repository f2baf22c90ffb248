// What two price tables, or two sets of facts in the log, have that differs; in the words of the price table.
import { dollars, kindOf, rowsOf } from "./price_table.js";

export const kindName = (key) => kindOf(key.split("."))[0];
// Beside an input there is no room for two lines.
export const unitOf = (key) => kindOf(key.split("."))[1].replaceAll(" ", "\u00a0");
export const priceText = (price) => (price ? dollars(price) : "—");

// [{kind, old, new}] by path; undefined where there was or is none
export function changes(before, after) {
  const [old, now] = [before, after].map((table) => new Map(rowsOf(table).map((row) => [row.key, row.value])));
  return [...new Set([...old.keys(), ...now.keys()])]
    .map((kind) => ({ kind, old: old.get(kind), new: now.get(kind) }))
    .filter((each) => each.old !== each.new);
}
