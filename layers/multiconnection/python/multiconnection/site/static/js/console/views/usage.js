// Usage: chart, filters that live in the URL, calls, one call, CSV of exactly what is filtered.
import { query } from "../../lib/api.js";
import { url } from "../../lib/base.js";
import { html, useMemo } from "../../lib/html.js";
import { compact, count, nano, placesOf } from "../../lib/money.js";
import { useResource } from "../../lib/resource.js";
import { at, setQuery, withQuery } from "../../lib/router.js";
import { DAY_S, dayOf, nowS, offsetMinutes, startOfDay } from "../../lib/time.js";
import { Button, Card, Empty, LinkButton, LinkTabs, Money, Notice, Problem, Skeleton } from "../../ui/basics.js";
import { UsageChart } from "../../ui/chart.js";
import { Field } from "../../ui/form.js";
import { Pager, Table } from "../../ui/table.js";
import { View } from "../../ui/view.js";
import { CallDrawer, ENDED, callColumns } from "../calls.js";
import { filledDays } from "../days.js";

const DAYS = 30;
const ENDINGS = [["", "Any ending"], ...Object.entries(ENDED).map(([value, [label]]) => [value, label])];
const FILTERS = ["from", "to", "model", "key_id", "ended"];

export default function Usage({ query: search }) {
  const filters = useFilters(search);
  const models = useResource("/api/models");
  const keys = useResource("/api/keys?limit=100&session=true");
  const group = search.get("group") === "key" ? "key" : "model";
  const cursor = search.get("cursor") || "";
  const summary = useResource(query("/api/usage/summary", { ...filters, group, tz_offset_min: offsetMinutes() }));
  const calls = useResource(query("/api/usage", { ...filters, cursor }));
  const labels = useMemo(() => new Map((summary.data?.days || []).flatMap((day) => day.groups.map((one) => [one.name, one.label]))), [summary.data]);
  const keyName = (id) => keys.data?.data.find((key) => key.id === id)?.name || (group === "key" && labels.get(id)) || id;
  const costs = calls.data?.data.map((call) => call.cost) || [];
  const places = placesOf([], [[summary.data?.total.cost || "0", costs]]);
  const used = FILTERS.some((name) => search.get(name));
  const csv = html`<${LinkButton} icon="download" href=${url(query("/api/usage.csv", filters))} download>Export CSV</${LinkButton}>`;

  return html`<${View} title="Usage" actions=${csv}>
    <${Filters} search=${search} used=${used} models=${models.data?.data || []} keys=${keys.data?.data || []} />
    <${Card} title="Cost per day" id="chart" actions=${html`<${LinkTabs} label="Stacked by" current=${group}
      tabs=${[["model", "By model"], ["key", "By key"]]} href=${(value) => withQuery({ group: value === "model" ? null : value })} />`}>
      <div class="chart-box">${summary.error ? html`<${Problem} error=${summary.error} what="The chart could not be loaded." retry=${summary.reload} />`
        : !summary.data ? html`<${Skeleton} height="268px" />`
          : nano(summary.data.total.cost) > 0n ? html`<${UsageChart} days=${filledDays(summary.data.days, filters)} label="Cost per day" names=${group === "key" ? keyName : undefined} />`
            : html`<${NoCost} calls=${summary.data.total.calls} used=${used} />`}</div></${Card}>
    <${Card} title="Calls" id="calls" flush actions=${html`<span class="small num total">${summary.data ? html`${count(summary.data.total.calls)} calls, ${compact(summary.data.total.tokens_in + summary.data.total.tokens_out)} tokens, <${Money} quiet amount=${summary.data.total.cost} places=${places} />` : html`<${Skeleton} width="200px" />`}</span>`}>
      ${summary.data?.truncated && html`<${Notice} tone="warn">There is more than the chart can add up. Choose a shorter time for exact totals.</${Notice}>`}
      <${Table} caption="Calls" columns=${callColumns((call) => withQuery({ call: call.request_id }), places)} rowKey="request_id" resource=${calls}
        current=${search.get("call") || ""} onOpen=${(call) => setQuery({ call: call.request_id })} skeletonRows=${10}
        empty=${used ? html`<${Empty} title="No calls" action=${html`<${LinkButton} href=${location.pathname}>Clear the filters</${LinkButton}>`}>Nothing matches these filters.</${Empty}>`
          : html`<${Empty} title="No calls yet" action=${html`<${LinkButton} kind="primary" href=${at("/playground")}>Open the playground</${LinkButton}>`}>Each call of the last ${DAYS} days is listed here with its tokens, its price and its cost.</${Empty}>`} />
      <${Pager} resource=${calls} cursor=${cursor} /></${Card}>
    ${search.get("call") && html`<${CallDrawer} key=${search.get("call")} id=${search.get("call")} keyName=${keyName} onClose=${() => setQuery({ call: null })} />`}</${View}>`;
}

function NoCost({ calls, used }) {
  if (calls) return html`<${Empty} title="Nothing was charged">${count(calls)} calls in this time, none of which cost anything.</${Empty}>`;
  return used ? html`<${Empty} title="No calls in this time">Choose another time or fewer filters.</${Empty}>`
    : html`<${Empty} title="No calls yet">The cost of each day shows up here, stacked by model or key.</${Empty}>`;
}

const usualDays = () => ({ from: dayOf(nowS() - (DAYS - 1) * DAY_S), to: dayOf(nowS()) });

// The middle of the next day, so that a day of 23 or 25 hours does no harm.
const dayAfter = (day) => startOfDay(dayOf(startOfDay(day) + 1.5 * DAY_S));

// Days in the URL, seconds for the server; `to` is the end of its day.
function useFilters(search) {
  const text = FILTERS.map((name) => search.get(name) || "").join("\n");
  return useMemo(() => {
    const [from, to, model, key, ended] = text.split("\n");
    return {
      from: startOfDay(from || usualDays().from),
      to: dayAfter(to || usualDays().to),
      model, key_id: key, ended,
    };
  }, [text]);
}

function Filters({ search, used, models, keys }) {
  // Every digit of a date is a change: none of them is a place to go back to.
  const set = (name) => (value) => setQuery({ [name]: value, cursor: null, call: null }, { replace: name in usualDays() });
  const field = (name) => ({ value: search.get(name) || usualDays()[name] || "", onInput: set(name) });
  const chosen = search.get("model");
  const names = models.map((model) => model.id);
  const modelOptions = [["", "All models"], ...(chosen && !names.includes(chosen) ? [[chosen, chosen]] : []), ...names.map((id) => [id, id])];
  return html`<form class="filter-row" role="search" aria-label="Filter calls" onSubmit=${(event) => event.preventDefault()}>
    <${Field} label="From" type="date" max=${dayOf(nowS())} ...${field("from")} />
    <${Field} label="To" type="date" max=${dayOf(nowS())} ...${field("to")} />
    <${Field} label="Model" type="select" options=${modelOptions} ...${field("model")} />
    <${Field} label="API key" type="select" options=${[["", "All keys"], ...keys.map((key) => [key.id, key.kind === "session" ? `${key.name} (playground)` : key.name])]} ...${field("key_id")} />
    <${Field} label="Ended" type="select" options=${ENDINGS} ...${field("ended")} />
    <${Button} kind="quiet" disabled=${!used} onClick=${() => setQuery(Object.fromEntries([...FILTERS, "cursor", "call"].map((name) => [name, null])))}>Clear</${Button}></form>`;
}
