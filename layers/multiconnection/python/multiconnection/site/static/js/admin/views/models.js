// Models & prices: the whole catalog, disabled ones too.
import { html } from "../../lib/html.js";
import { count } from "../../lib/money.js";
import { useResource } from "../../lib/resource.js";
import { navigate, setQuery } from "../../lib/router.js";
import { Badge, Card, Empty, LinkButton } from "../../ui/basics.js";
import { Field } from "../../ui/form.js";
import { Table } from "../../ui/table.js";
import { View } from "../../ui/view.js";
import { modelHref } from "../parts.js";
import { summary } from "../price_table.js";

const STATES = [["", "All"], ["enabled", "Enabled"], ["disabled", "Disabled"]];
const hrefOf = (model) => modelHref(model.id);
const COLUMNS = [
  { key: "name", label: "Model", head: true, width: "34%", render: (model) => html`<a href=${hrefOf(model)} class="break">${model.name}</a><code class="sub break">${model.id}</code>` },
  { key: "state", label: "State", width: "13%", render: (model) => html`<${Badge} tone=${model.enabled ? "good" : ""}>${model.enabled ? "Enabled" : "Disabled"}</${Badge}>` },
  { key: "kind", label: "Kind", width: "14%", render: (model) => model.kind[0].toUpperCase() + model.kind.slice(1) },
  { key: "prices", label: "Prices", wide: true, render: (model) => html`<span class="small num">${summary(model.prices)}</span>` },
  { key: "price_version", label: "Price version", num: true, width: "12%" },
];

export default function Models({ query: search }) {
  const models = useResource("/api/admin/models");
  const rows = models.data && found(models.data.data, search);
  const filter = (name) => ({ value: search.get(name) || "", onInput: (value) => setQuery({ [name]: value }, { replace: true }) });
  return html`<${View} title="Models & prices" lead="Prices are the catalog's, without markup.">
    <form class="filter-row" role="search" aria-label="Search models" onSubmit=${(event) => event.preventDefault()}>
      <${Field} label="Search" type="search" placeholder="Name, id, alias, provider" autocomplete="off" ...${filter("q")} />
      <${Field} label="State" type="select" options=${STATES} ...${filter("state")} /></form>
    <${Card} title="Models" id="models" flush actions=${rows && html`<span class="muted small" role="status">${count(rows.length)} of ${count(models.data.data.length)}</span>`}>
      <${Table} caption="Models" columns=${COLUMNS} resource=${models} rows=${rows ?? undefined} skeletonRows=${12} onOpen=${(model) => navigate(hrefOf(model))}
        empty=${html`<${Empty} title="No model" action=${html`<${LinkButton} href=${location.pathname}>Clear the search</${LinkButton}>`}>Nothing matches this search.</${Empty}>`} />
    </${Card}></${View}>`;
}

function found(models, search) {
  const words = (search.get("q") || "").toLowerCase().split(/\s+/).filter(Boolean);
  const state = search.get("state");
  return models.filter((model) => {
    const text = [model.id, model.name, model.kind, model.owned_by, ...model.aliases, ...model.upstreams.map((one) => one.provider)].join("\n").toLowerCase();
    return words.every((word) => text.includes(word)) && (!state || (state === "enabled") === model.enabled);
  });
}
