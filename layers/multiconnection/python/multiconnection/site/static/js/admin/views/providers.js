// Which providers are configured and how they are doing.
import { html } from "../../lib/html.js";
import { count } from "../../lib/money.js";
import { useResource } from "../../lib/resource.js";
import { Badge, Card, Empty } from "../../ui/basics.js";
import { Table } from "../../ui/table.js";
import { View } from "../../ui/view.js";

const TONES = { ok: "good", degraded: "warn", down: "bad" };
const COLUMNS = [
  { key: "name", label: "Provider", head: true },
  { key: "state", label: "State", render: (row) => html`<${Badge} tone=${row.enabled ? TONES[row.health.state] : ""}>${row.enabled ? row.health.state : "switched off"}</${Badge}>` },
  { key: "answers", label: "Answers", num: true, render: (row) => count(row.health.answers) },
  { key: "errors", label: "Errors", num: true, render: (row) => count(row.health.errors) },
  { key: "p90", label: "p90", num: true, render: (row) => (row.health.p90_ms ? `${count(row.health.p90_ms)} ms` : "—") },
  { key: "models", label: "Models", num: true, render: (row) => count(row.models) },
];

export default function Providers() {
  const providers = useResource("/api/admin/providers");
  return html`<${View} title="Providers"><${Card} flush>
    <${Table} caption="Providers" columns=${COLUMNS} rowKey="name" resource=${providers}
      empty=${html`<${Empty} title="No provider">A provider is configured with its key in the environment or the secret.</${Empty}>`} />
  </${Card}></${View}>`;
}
