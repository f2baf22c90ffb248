// Balance, first steps, the last thirty days, the latest calls.
import { query } from "../../lib/api.js";
import { html, useEffect, useMemo } from "../../lib/html.js";
import { addUp, balancePlaces, count, nano, placesOf } from "../../lib/money.js";
import { useResource } from "../../lib/resource.js";
import { at } from "../../lib/router.js";
import { DAY_S, nowS, offsetMinutes } from "../../lib/time.js";
import { Card, CopyLine, Empty, LinkButton, Money, Notice, Problem, Skeleton } from "../../ui/basics.js";
import { UsageChart } from "../../ui/chart.js";
import { Icon } from "../../ui/icons.js";
import { useShared } from "../../ui/shell.js";
import { Table } from "../../ui/table.js";
import { View } from "../../ui/view.js";
import { apiBase } from "../../lib/base.js";
import { callColumns } from "../calls.js";
import { filledDays } from "../days.js";

const DAYS = 30;
const WATCH_MS = 4000;
const WITHHELD = {
  awaiting_approval: "An administrator looks at new accounts before the test credit is granted. You can add funds at any time.",
  network_limit: "Your network has had all of its test credits for today. Sign in again tomorrow, or add funds.",
  mailbox_used: "Another account of this mailbox has had it. You can add funds at any time.",
};

export default function Overview() {
  const { account, balance } = useShared();
  const span = useMemo(() => { const to = nowS(); return { from: to - DAYS * DAY_S, to }; }, []);
  // Up to now by the server's clock, so that the call of this second is in it.
  const summary = useResource(query("/api/usage/summary", { from: span.from, group: "model", tz_offset_min: offsetMinutes() }));
  const calls = useResource(query("/api/usage", { limit: 6 }));
  const total = summary.data?.total;
  const costs = calls.data?.data.map((call) => call.cost) || [];
  // Calls that are all there are add up to what was spent; a few of many are a group of their own.
  const apart = !total || !balance.data || !addUp(costs, total.cost);
  const places = balance.data && balancePlaces(balance.data, total ? [[total.cost, apart ? [] : costs]] : []);
  const first = account.data.first_run;
  const starting = !first.has_key || !first.has_call;

  useEffect(() => {
    if (!starting) return undefined;
    const timer = setInterval(account.reload, WATCH_MS);
    return () => { clearInterval(timer); summary.reload(); calls.reload(); };
  }, [starting]);

  return html`<${View} title="Overview" actions=${html`<${LinkButton} kind="primary" icon="plus" href=${at("/billing/recharge")}>Add funds</${LinkButton}>`}>
    ${WITHHELD[account.data.test_credit] && html`<${Notice} title="No test credit yet">${WITHHELD[account.data.test_credit]}</${Notice}>`}
    ${starting && html`<${FirstRun} first=${first} />`}
    <${Figures} balance=${balance.data} total=${total} places=${places} />
    <${Card} title=${`Cost per day, last ${DAYS} days`} id="chart" actions=${html`<a class="small" href=${at("/usage")}>All usage</a>`}>
      <div class="chart-box">${summary.error ? html`<${Problem} error=${summary.error} what="The chart could not be loaded." retry=${summary.reload} />`
        : !summary.data ? html`<${Skeleton} height="268px" />`
          : nano(summary.data.total.cost) > 0n ? html`<${UsageChart} days=${filledDays(summary.data.days, span)} label="Cost per day and model" />`
            : summary.data.total.calls ? html`<${Empty} title="Nothing was charged">None of the calls in this time cost anything.</${Empty}>`
            : html`<${Empty} title="No calls yet">The cost of each day shows up here, stacked by model.</${Empty}>`}</div></${Card}>
    <${Card} title="Latest calls" id="latest" flush>
      <${Table} caption="Latest calls" columns=${callColumns((call) => at(`/usage?call=${call.request_id}`), apart ? placesOf(costs) : places)} rowKey="request_id" resource=${calls}
        empty=${html`<${Empty} title="No calls yet">Each call appears here with its tokens, its price and its cost.</${Empty}>`} /></${Card}></${View}>`;
}

const Figures = ({ balance, total, places }) => html`<div class="figures">
  <${Figure} name="Available" note="Can be spent now">${balance && html`<${Money} amount=${balance.available} places=${places} />`}</${Figure}>
  <${Figure} name="In flight" note="Set aside for running calls">${balance && html`<${Money} amount=${balance.in_flight} places=${places} />`}</${Figure}>
  <${Figure} name="Spent" note=${`Last ${DAYS} days`}>${total && html`<${Money} amount=${total.cost} places=${places} />`}</${Figure}>
  <${Figure} name="Calls" note=${total ? `${count(total.tokens_in + total.tokens_out)} tokens` : "Tokens"}>${total && count(total.calls)}</${Figure}></div>`;

const Figure = ({ name, note, children }) => html`<div class="card figure-card"><span class="muted small">${name}</span>
  <span class="figure num">${children ?? html`<${Skeleton} width="7ch" />`}</span><span class="muted small">${note}</span></div>`;

// Ticks itself: the account is asked again until all three are done.
function FirstRun({ first }) {
  const steps = [
    [first.has_key, "Create an API key", html`<${LinkButton} small kind=${first.has_key ? "" : "primary"} href=${at("/keys?new=1")}>Create a key</${LinkButton}>`],
    [first.has_call, "Make your first call", html`<${LinkButton} small kind=${first.has_key ? "primary" : ""} href=${at("/playground")}>Open the playground</${LinkButton}>`],
    [first.has_call, "See it in your usage", html`<${LinkButton} small href=${at("/usage")}>Open usage</${LinkButton}>`],
  ];
  return html`<${Card} title="First steps" id="first">
    <ol class="checklist" aria-live="polite">${steps.map(([done, text, action]) => html`<li key=${text} class=${done ? "done" : ""}>
      <span class="tick">${done && html`<${Icon} name="check" />`}</span><span class="grow">${text}<span class="visually-hidden">${done ? ", done" : ", to do"}</span></span>${!done && action}</li>`)}</ol>
    <p class="small muted first-base">Base URL for any OpenAI SDK</p><${CopyLine} text=${apiBase} label="base URL" /></${Card}>`;
}
