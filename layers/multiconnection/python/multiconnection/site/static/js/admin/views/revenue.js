// Revenue against upstream cost, per day, model or account.
import { query } from "../../lib/api.js";
import { html, useMemo } from "../../lib/html.js";
import { count, nano, placesOf } from "../../lib/money.js";
import { useResource } from "../../lib/resource.js";
import { setQuery, withQuery } from "../../lib/router.js";
import { DAY_S, nowS } from "../../lib/time.js";
import { Badge, Button, Card, Empty, LinkTabs, Money, Notice, Problem, Skeleton } from "../../ui/basics.js";
import { UsageChart } from "../../ui/chart.js";
import { Field } from "../../ui/form.js";
import { Table } from "../../ui/table.js";
import { View } from "../../ui/view.js";
import { share } from "../amounts.js";
import { AccountLink, modelHref } from "../parts.js";
import { DAYS_MAX, dayAt, daysBetween, isDay, lastDays, spans, startOf } from "../utc_days.js";

const DAYS = 30;
const GROUPS = [["day", "By day"], ["model", "By model"], ["account", "By account"]];
const HEADS = { day: "Day (UTC)", model: "Model", account: "Account" };
const marginOf = ({ revenue, margin }) => share(margin, revenue);

export default function Revenue({ query: search }) {
  const group = HEADS[search.get("group")] ? search.get("group") : "day";
  const usual = lastDays(nowS(), DAYS);
  const [from, to] = ["from", "to"].map((name) => (isDay(search.get(name)) ? search.get(name) : usual[name]));
  const wrong = spanProblem(from, to);
  const revenue = useResource(wrong ? null : query("/api/admin/revenue", { from: startOf(from), to: startOf(to) + DAY_S, group }));
  // Said beside its field, and only there.
  const problem = wrong || (revenue.error?.param === "from" ? revenue.error.message : "");
  return html`<${View} title="Revenue" lead="Charges of calls against what they cost upstream. Days are in UTC.">
    <${Filters} search=${search} from=${from} to=${to} error=${problem} />
    ${!problem && html`<${Figures} revenue=${revenue} group=${group} days=${daysBetween(from, to)} />`}</${View}>`;
}

function spanProblem(from, to) {
  if (startOf(from) > startOf(to)) return "Later than the last day.";
  return startOf(to) - startOf(from) >= DAYS_MAX * DAY_S ? `At most ${DAYS_MAX} days at once.` : "";
}

function Figures({ revenue, group, days }) {
  const data = revenue.data;
  const tabs = html`<${LinkTabs} label="Grouped" current=${group} tabs=${GROUPS} href=${(value) => withQuery({ group: value === "day" ? null : value })} />`;
  return html`<${Totals} total=${data?.total} incomplete=${data && hasGaps(data)} />
    ${group === "day" && html`<${Card} title="Revenue per day" id="chart"><div class="chart-box"><${Chart} revenue=${revenue} days=${days} /></div></${Card}>`}
    <${Card} title="Figures" id="figures" flush actions=${tabs}>
      <${Table} caption=${`Revenue ${HEADS[group]}`} columns=${columnsOf(group, data ? tablePlaces(data) : undefined)} rowKey="name" resource=${revenue} rows=${data ? shownRows(data) : undefined}
        empty=${html`<${Empty} title="No calls in this time">Choose another time.</${Empty}>`} /></${Card}>
    ${data && html`<${Gaps} data=${data} />`}`;
}

const shownRows = (data) => (data.group === "day" ? [...data.rows].reverse() : data.rows);

function Filters({ search, from, to, error }) {
  // Every digit of a date is a change: none of them is a place to go back to.
  const set = (name) => (value) => setQuery({ [name]: value }, { replace: true });
  const used = search.get("from") || search.get("to");
  return html`<form class="filter-row" role="search" aria-label="Time" onSubmit=${(event) => event.preventDefault()}>
    <${Field} label="From" type="date" max=${dayAt(nowS())} value=${from} onInput=${set("from")} error=${error} />
    <${Field} label="To" type="date" max=${dayAt(nowS())} value=${to} onInput=${set("to")} />
    <${Button} kind="quiet" disabled=${!used} onClick=${() => setQuery({ from: null, to: null })}>Last ${DAYS} days</${Button}></form>`;
}

const split = (row) => [row.revenue, [row.upstream_cost, row.margin]];

function Totals({ total, incomplete }) {
  const places = total && placesOf([], [split(total)]);
  const figure = (name, content, note) => html`<div><dt class="muted small">${name}</dt><dd class="figure num">${total ? content() : html`<${Skeleton} width="6ch" />`}</dd>
    ${note && html`<dd class="muted small">${total ? note() : "\u00a0"}</dd>`}</div>`;
  return html`<section class="card" aria-label="Totals"><dl class="figure-row">
    ${figure("Calls", () => html`<span>${count(total.calls)} ${incomplete && html`<${Badge} tone="warn">Incomplete</${Badge}>`}</span>`)}${figure("Revenue", () => html`<${Money} amount=${total.revenue} places=${places} />`)}
    ${figure("Upstream cost", () => html`<${Money} amount=${total.upstream_cost} places=${places} />`)}
    ${figure("Margin", () => html`<${Money} amount=${total.margin} places=${places} />`, () => marginOf(total))}</dl></section>`;
}

const hasGaps = ({ missing_days: missing, truncated, total }) => Boolean(truncated || missing.length || total.unpriced_calls);

// Everything that makes these figures less than the whole truth; below them, where its coming moves nothing.
function Gaps({ data }) {
  const { missing_days: missing, truncated, total } = data;
  return html`${truncated && html`<${Notice} tone="warn" title="The latest days are not complete">There was more to read than one request has time for. Figures of finished days are exact.</${Notice}>`}
    ${missing.length > 0 && html`<${Notice} tone="warn" title=${`${count(missing.length)} ${missing.length === 1 ? "day has" : "days have"} no figures`}>
      <p>Not in the totals: ${spans(missing)}. Finished days are added up once a day.</p></${Notice}>`}
    ${total.unpriced_calls > 0 && html`<${Notice} tone="warn" title="Some upstream costs are unknown">The price version of ${count(total.unpriced_calls)} calls cannot be read; they count as no cost.</${Notice}>`}`;
}

function Chart({ revenue, days: names }) {
  const days = useMemo(() => revenue.data && stackedDays(revenue.data.rows, names), [revenue.data]);
  if (revenue.error) return html`<${Problem} error=${revenue.error} what="The figures could not be loaded." retry=${revenue.reload} />`;
  if (!days) return html`<${Skeleton} height="268px" />`;
  if (!revenue.data.rows.length) return html`<${Empty} title="No calls in this time">Choose another time.</${Empty}>`;
  return html`<${UsageChart} days=${days} label="Revenue per day" />`;
}

// Cost and margin on each other are the revenue; where the margin is negative, the cost alone is shown.
function stackedDays(rows, names) {
  const known = new Map(rows.map((row) => [row.name, row]));
  return names.map((day) => {
    const row = known.get(day);
    const margin = row && nano(row.margin) > 0n ? [{ name: "Margin", cost: row.margin }] : [];
    return { day, cost: row?.revenue || "0", groups: row ? [{ name: "Upstream cost", cost: row.upstream_cost }, ...margin] : [] };
  });
}

// Each row adds up, and each column to its total.
function tablePlaces({ rows, total }) {
  const columns = ["revenue", "upstream_cost", "margin"].map((key) => [total[key], rows.map((row) => row[key])]);
  return placesOf([], [...rows.map(split), ...columns]);
}

function columnsOf(group, places) {
  const money = (key, label) => ({ key, label, num: true, render: (row) => html`<${Money} quiet amount=${row[key]} places=${places} />` });
  return [
    { key: "name", label: HEADS[group], head: true, width: group === "day" ? "20%" : "30%", render: (row) => nameOf(group, row.name) },
    { key: "calls", label: "Calls", num: true, render: (row) => count(row.calls) },
    money("revenue", "Revenue"), money("upstream_cost", "Upstream cost"), money("margin", "Margin"),
    { key: "share", label: "Margin %", num: true, render: marginOf },
  ];
}

function nameOf(group, name) {
  if (group === "model") return html`<a class="break" href=${modelHref(name)}>${name}</a>`;
  if (group === "account") return html`<${AccountLink} id=${name} />`;
  return name;
}
