// Providers: how they are doing, and the switch that takes one out of routing.
import { html, useState } from "../../lib/html.js";
import { count } from "../../lib/money.js";
import { useResource } from "../../lib/resource.js";
import { Badge, Button, Card, Empty } from "../../ui/basics.js";
import { Table } from "../../ui/table.js";
import { View } from "../../ui/view.js";
import { SwitchDialog } from "../switching.js";

const POLL_MS = 30000;
// The words of the public status page.
const HEALTH = { ok: ["Operational", "good"], degraded: ["Degraded", "warn"], down: ["Down", "bad"], unknown: ["No recent calls", ""] };
const isServing = (row) => row.configured && row.enabled;
const percent = new Intl.NumberFormat(undefined, { style: "percent", maximumFractionDigits: 1 });

export default function Providers() {
  const providers = useResource("/api/admin/providers", { poll: () => POLL_MS });
  const [chosen, setChosen] = useState(null);
  const list = providers.data && [...providers.data.data].sort((a, b) => b.configured - a.configured);
  const columns = [
    { key: "name", label: "Provider", head: true, width: "20%" },
    { key: "state", label: "State", width: "18%", render: (row) => html`<${State} row=${row} />` },
    { key: "answers", label: "Answers", num: true, render: (row) => count(row.health.answers) },
    { key: "errors", label: "Errors", num: true, render: (row) => errorsOf(row.health) },
    { key: "p90", label: "90 % within", num: true, render: (row) => (row.health.p90_ms ? `${count(row.health.p90_ms)} ms` : "—") },
    { key: "models", label: "Models", num: true, render: (row) => count(row.models) },
    { key: "switch", label: "", num: true, width: "112px", render: (row) => html`<${Button} small kind=${isServing(row) ? "danger" : ""} onClick=${() => setChosen(row)}
      aria-label=${`${row.enabled ? "Disable" : "Enable"} ${row.name}`}>${row.enabled ? "Disable" : "Enable"}</${Button}>` },
  ];
  return html`<${View} title="Providers" lead="Health is that of the last 15 minutes. Providers without a key are not configured and get no calls.">
    <${Card} flush><${Table} caption="Providers" columns=${columns} rowKey="name" resource=${providers} rows=${list ?? undefined}
      empty=${html`<${Empty} title="No provider">A provider is configured with its key in the environment or the secret.</${Empty}>`} /></${Card}>
    ${chosen && html`<${SwitchDialog} path=${`/api/admin/providers/${encodeURIComponent(chosen.name)}`} name=${chosen.name} enable=${!chosen.enabled}
      onClose=${() => setChosen(null)} onDone=${providers.reload}><${Consequences} row=${chosen} all=${list} /></${SwitchDialog}>`}</${View}>`;
}

function State({ row }) {
  if (!row.enabled) return html`<${Badge} tone="warn">Switched off</${Badge}>`;
  if (!row.configured) return html`<${Badge}>Not configured</${Badge}>`;
  const [label, tone] = HEALTH[row.health.state] || [row.health.state, ""];
  return html`<${Badge} tone=${tone}>${label}</${Badge}>`;
}

function errorsOf({ answers, errors }) {
  const all = answers + errors;
  return all ? html`${count(errors)} <span class="muted small">${percent.format(errors / all)}</span>` : count(errors);
}

function Consequences({ row, all }) {
  if (!row.enabled) return html`<p>New calls can go to it again within about a minute, for ${count(row.models)} models.</p>`;
  const others = all.filter((one) => isServing(one) && one.name !== row.name);
  return html`<p>New calls go elsewhere within about a minute; calls that run go on. It can serve ${count(row.models)} models.</p>
    ${!others.length && row.configured && html`<p><strong>No other provider is in service: all calls would be refused.</strong></p>`}`;
}
