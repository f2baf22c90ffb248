// Reconciliation: whether the books are right, by adding them up again.
import { api } from "../../lib/api.js";
import { html } from "../../lib/html.js";
import { count } from "../../lib/money.js";
import { useAction, useResource } from "../../lib/resource.js";
import { zone } from "../../lib/time.js";
import { Badge, Button, Card, Empty, Failure, Money, Notice, Problem, Skeleton, Time } from "../../ui/basics.js";
import { Table } from "../../ui/table.js";
import { View, Waiting } from "../../ui/view.js";
import { AccountLink } from "../parts.js";

const COLUMNS = [
  { key: "account_id", label: "Account", head: true, width: "30%", render: (row) => html`<${AccountLink} id=${row.account_id} />` },
  { key: "verified", label: "Verified", width: "14%", render: (row) => html`<${Badge} tone=${row.verified ? "good" : "warn"}>${row.verified ? "Yes" : "Not now"}</${Badge}>` },
  { key: "charged_drift", label: "Charged drift", num: true, render: (row) => html`<${Money} quiet places=${9} amount=${row.charged_drift} />` },
  { key: "credits_drift", label: "Credits drift", num: true, render: (row) => html`<${Money} quiet places=${9} amount=${row.credits_drift} />` },
  { key: "stale_holds", label: "Stale holds", num: true, width: "12%", render: (row) => count(row.stale_holds) },
  { key: "breaches", label: "Breaches", wide: true, render: (row) => (row.breaches.length ? html`<span class="small">${row.breaches.map((one) => one.replaceAll("_", " ")).join(", ")}</span>` : html`<span class="muted">None</span>`) },
];

export default function ReconciliationView() {
  const latest = useResource("/api/admin/reconciliation");
  const reconcile = useAction(async () => latest.set(await api.post("/api/admin/reconciliation")));
  const report = latest.data;
  if (!report && !latest.error) return html`<${Waiting} />`;
  const run = html`<${Button} kind="primary" busy=${reconcile.busy} onClick=${() => reconcile.run()}>Run now</${Button}>`;
  return html`<${View} title="Reconciliation" lead="Balances against every credit and every charge, added up again." actions=${run}>
    <${Failure} error=${reconcile.error} what="The reconciliation did not run to its end." />
    ${latest.error && html`<${Problem} error=${latest.error} what="The latest report could not be loaded." retry=${latest.reload} />`}
    <div role="status">${reconcile.busy && html`<p class="muted">Adding up …</p>`}</div>
    ${report && !report.at ? html`<${Card} flush><${Empty} title="No reconciliation yet">It runs once a day by itself, and whenever you start it.</${Empty}></${Card}>`
      : (report || !latest.error) && html`<${Report} report=${report} latest=${latest} />`}</${View}>`;
}

function Report({ report, latest }) {
  const figure = (name, content) => html`<div><dt class="muted small">${name}</dt><dd class="figure num">${report ? content() : html`<${Skeleton} width="6ch" />`}</dd></div>`;
  return html`${report && html`<${Outcome} report=${report} />`}
    <section class="card" aria-label="Latest report"><dl class="figure-row">
      ${figure("Accounts", () => count(report.accounts))}${figure("Drift", () => html`<${Money} places=${9} amount=${report.drift} />`)}
      ${figure("Not verified", () => count(report.unverified))}${figure("Stale holds", () => count(report.stale_holds))}</dl></section>
    <${Card} title="Findings" id="findings" flush actions=${report && html`<span class="muted small"><${Time} at=${report.at} /> ${zone}</span>`}>
      <${Table} caption="Findings" columns=${COLUMNS} rowKey="account_id" resource=${latest} rows=${report?.findings} skeletonRows=${3}
        empty=${html`<${Empty} title="Nothing found">Every account that was looked at adds up.</${Empty}>`} /></${Card}>`;
}

function Outcome({ report }) {
  const found = report.findings.length;
  const part = !report.complete && html`<${Notice} tone="warn" title="Not all accounts">This run looked at ${count(report.accounts)} accounts, as many as one request has time for. The daily run looks at all of them.</${Notice}>`;
  return html`${part}<${Notice} tone=${found ? "bad" : "good"} title=${found ? `${count(found)} ${found === 1 ? "account needs" : "accounts need"} a look` : "The books are right"}>
    ${found ? "Each finding is below; the runbook says what to do about it." : `${count(report.accounts)} accounts, without any drift.`}</${Notice}>`;
}
