// One model: its switch, its prices, and every version there ever was.
import { html, useState } from "../../lib/html.js";
import { url } from "../../lib/base.js";
import { useResource } from "../../lib/resource.js";
import { at } from "../../lib/router.js";
import { zone } from "../../lib/time.js";
import { Badge, Button, Card, Facts, Notice, Problem, Skeleton, Time } from "../../ui/basics.js";
import { Table } from "../../ui/table.js";
import { View } from "../../ui/view.js";
import { modelPath } from "../parts.js";
import { changes, kindName, priceText } from "../price_changes.js";
import { PriceForm } from "../price_form.js";
import { ordered, rowsOf } from "../price_table.js";
import { SwitchDialog } from "../switching.js";

const capital = (word) => word[0].toUpperCase() + word.slice(1);
const back = () => [at("/models"), "Models & prices"];

export default function Model({ id }) {
  const model = useResource(modelPath(id));
  const [switching, setSwitching] = useState(false);
  const [published, setPublished] = useState(0);
  const changed = (version) => { setPublished(version || 0); model.reload(); };
  const data = model.data;
  if (!data) {
    return html`<${View} title=${id} back=${back()}>${model.error
      ? html`<${Problem} error=${model.error} what="This model could not be loaded." retry=${model.reload} />` : html`<${Skeleton} lines=${3} height="96px" />`}</${View}>`;
  }
  const flip = html`<${Button} kind=${data.enabled ? "danger" : "primary"} onClick=${() => setSwitching(true)}>${data.enabled ? "Disable" : "Enable"}</${Button}>`;
  return html`<${View} title=${data.name} back=${back()} actions=${flip}>
    <${Problem} error=${model.error} what="What you see may be old." retry=${model.reload} />
    <div role="status">${published > 0 && html`<${Notice} tone="good" title=${`Version ${published} is published`}>Calls that begin within about a minute may still pay the version before.</${Notice}>`}</div>
    <${Card} title="Model" id="model"><${Facts} items=${facts(data)} /></${Card}>
    <${PriceForm} key=${data.price_version} model=${data} onChanged=${changed} />
    <${Versions} model=${data} />
    ${switching && html`<${SwitchDialog} path=${modelPath(id)} name=${data.name} enable=${!data.enabled} onClose=${() => setSwitching(false)} onDone=${model.set}>
      <p>${data.enabled ? "New calls are refused, and the model leaves the list and the price page. Calls that run go on and are charged at their own price version."
        : `The model takes calls again, at price version ${data.price_version}.`}</p></${SwitchDialog}>`}</${View}>`;
}

const facts = (model) => [
  ["Id", html`<code>${model.id}</code>`],
  ["State", html`<${Badge} tone=${model.enabled ? "good" : ""}>${model.enabled ? "Enabled" : "Disabled"}</${Badge}>`],
  ["Kind", `${capital(model.kind)}, by ${model.owned_by}`],
  model.aliases.length && ["Aliases", model.aliases.map((alias, n) => html`${n ? ", " : ""}<code>${alias}</code>`)],
  model.enabled && ["Public page", html`<a href=${url(`/models/${model.id}`)}>Prices as customers see them</a>`],
  ["Upstreams", model.upstreams.map((one, n) => html`${n ? ", " : ""}${one.provider} <code>${one.model}</code>`)],
];

function Versions({ model }) {
  const rows = model.versions.map((version, n) => ({ ...version, previous: model.versions[n - 1] })).reverse();
  const columns = [
    { key: "version", label: "Version", head: true, width: "18%", render: (row) => html`${row.version} ${row.version === model.price_version && html`<${Badge} tone="good">In force</${Badge}>`}` },
    { key: "created", label: `Published (${zone})`, width: "22%", wide: true, render: (row) => (row.created ? html`<${Time} at=${row.created} />` : html`<span class="muted">With the catalog file</span>`) },
    { key: "by", label: "By", width: "22%", wide: true, render: (row) => html`<span class="break">${row.created_by || "—"}</span>` },
    { key: "changes", label: "What it changed", wide: true, render: (row) => html`<${Changed} row=${row} />` },
  ];
  return html`<${Card} title="Versions" id="versions" flush><${Table} caption="Price versions, newest first" columns=${columns} rowKey="version" rows=${rows} /></${Card}>`;
}

// The first one's prices, and of each later one what differs from the one before.
function Changed({ row }) {
  const items = row.previous
    ? [...lines(row.previous.prices, row.prices, ""), ...lines(row.previous.cost_prices, row.cost_prices, "Upstream ")]
    : ordered(rowsOf(row.prices)).map((one) => `${kindName(one.key)} ${priceText(one.value)}`);
  return items.length ? html`<span class="small num">${items.map((item) => html`<span class="sub" key=${item}>${item}</span>`)}</span>` : html`<span class="muted">No price</span>`;
}

const lines = (before, after, prefix) => changes(before, after).map((each) => `${prefix}${kindName(each.kind)} ${priceText(each.old)} → ${priceText(each.new)}`);
