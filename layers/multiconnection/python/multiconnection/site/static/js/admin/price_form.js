// New prices beside those in force; a dry run says what differs before anything is published.
import { api } from "../lib/api.js";
import { html, useState } from "../lib/html.js";
import { Button, Card, Notice, Problem } from "../ui/basics.js";
import { Confirm } from "../ui/dialog.js";
import { Check, Field, useForm } from "../ui/form.js";
import { modelPath } from "./parts.js";
import { kindName, priceText, unitOf } from "./price_changes.js";
import { dollars, nested, ordered, percentText, priceProblem, rowsOf } from "./price_table.js";
import { Reason, withReason } from "./switching.js";

const COST = "cost:";
const initial = (rows, prefix) => Object.fromEntries(rows.map((row) => [prefix + row.key, row.value]));
const tableOf = (rows, prefix, values) => nested(rows.map((row) => ({ ...row, value: values[prefix + row.key].trim() })));

export function PriceForm({ model, onChanged }) {
  const rows = ordered(rowsOf(model.prices));
  const [withCosts, setWithCosts] = useState(Boolean(model.cost_prices));
  const costRows = ordered(rowsOf(model.cost_prices || model.prices));
  const [change, setChange] = useState(null);
  const named = [...rows.map((row) => row.key), ...(withCosts ? costRows.map((row) => COST + row.key) : [])];
  const check = (values) => Object.fromEntries(named.map((name) => [name, priceProblem(values[name])]));
  const compare = async (values) => {
    const body = { prices: tableOf(rows, "", values), base_version: model.price_version };
    if (withCosts) body.cost_prices = tableOf(costRows, COST, values);
    setChange({ body, found: await api.post(`${modelPath(model.id)}/prices?dry_run=true`, body) });
  };
  const form = useForm({ ...initial(rows, ""), ...initial(costRows, COST) }, check, compare);
  const stale = form.error?.code === "price_version_conflict";
  const same = change && !change.found.diff.length && !change.found.cost_diff.length;
  return html`<${Card} title="Change the prices" id="prices"><form class="stack" onSubmit=${form.submit} novalidate>
    <${PriceInputs} caption="Prices" rows=${rows} prefix="" form=${form} />
    ${!model.cost_prices && html`<${Check} label="Upstream costs differ from the prices: enter them too" checked=${withCosts} onChange=${setWithCosts} />`}
    ${withCosts && html`<${PriceInputs} caption="What it costs upstream" rows=${costRows} prefix=${COST} form=${form} />`}
    <${Problem} error=${form.error} what="The prices were not compared." retry=${stale ? () => onChanged() : undefined} />
    ${same && html`<${Notice} title="No price differs">What you entered is version ${model.price_version}, which is in force.</${Notice}>`}
    <p class="row"><${Button} kind="primary" type="submit" busy=${form.busy} onClick=${() => {}}>Compare and publish …</${Button}>
      <span class="muted small">Nothing is published yet; what changes is shown first.</span></p></form>
    ${change && !same && html`<${Publish} model=${model} change=${change} onClose=${() => setChange(null)} onDone=${() => { setChange(null); onChanged(change.found.version); }} />`}</${Card}>`;
}

const PriceInputs = ({ caption, rows, prefix, form }) => html`<fieldset><legend>${caption}</legend><div class="price-inputs">
  ${rows.map((row) => html`<${Field} key=${row.key} label=${kindName(row.key)} before="$" after=${`/\u00a0${unitOf(row.key)}`} inputmode="decimal" autocomplete="off"
    hint=${`In force: ${dollars(row.value)}`} ...${form.field(prefix + row.key)} />`)}</div></fieldset>`;

function Publish({ model, change, onClose, onDone }) {
  const [reason, setReason] = useState("");
  const { body, found } = change;
  const large = found.needs_confirmation;
  const publish = () => api.post(`${modelPath(model.id)}/prices`, withReason({ ...body, confirm: large }, reason));
  return html`<${Confirm} title=${`Publish version ${found.version} of ${model.name}?`} label=${`Publish version ${found.version}`} danger=${large}
    typed=${large ? model.id : undefined} action=${publish} onClose=${onClose} onDone=${onDone}>
    ${large && html`<${Notice} tone="warn" title="A price changes more than tenfold, or is new">Look at the decimal points once more.</${Notice}>`}
    <${Differences} caption="Prices" rows=${inOrder(found.diff)} /><${Differences} caption="What it costs upstream" rows=${inOrder(found.cost_diff)} />
    <p><strong>What running calls pay:</strong> the price version they began with, ${model.price_version}. Calls that begin once every process has read the new version, within about a minute, pay version ${found.version}.</p>
    <${Reason} value=${reason} onInput=${setReason} /></${Confirm}>`;
}

const inOrder = (diff) => ordered(diff.map((row) => ({ ...row, path: row.kind.split(".") })));

const Differences = ({ caption, rows }) => (rows.length
  ? html`<div class="table-wrap" tabindex="0" role="group" aria-label=${caption}><table class="plain-table"><caption class="small muted">${caption}</caption>
    <thead><tr><th scope="col">What</th><th scope="col" class="num">Old</th><th scope="col" class="num">New</th><th scope="col" class="num">Difference</th></tr></thead>
    <tbody>${rows.map((row) => html`<tr key=${row.kind}><th scope="row">${kindName(row.kind)}<span class="muted small"> / ${unitOf(row.kind)}</span></th>
      <td class="num">${priceText(row.old)}</td><td class="num"><strong>${priceText(row.new)}</strong></td><td class="num">${percentText(row.percent)}</td></tr>`)}</tbody></table></div>`
  : null);
