// Creating or changing a key: name first, limits below.
import { api } from "../lib/api.js";
import { html } from "../lib/html.js";
import { amountProblem } from "../lib/money.js";
import { useResource } from "../lib/resource.js";
import { dayOf, nowS, startOfDay } from "../lib/time.js";
import { Button, Failure } from "../ui/basics.js";
import { Dialog } from "../ui/dialog.js";
import { Field, useForm } from "../ui/form.js";

const BUDGET_PLACES = 9;
const RATE_MAX = 100_000_000;
const CIDR = /^([0-9]{1,3}(\.[0-9]{1,3}){3}(\/([0-9]|[12][0-9]|3[0-2]))?|[0-9a-f:]*:[0-9a-f:]*(\/([0-9]|[1-9][0-9]|1[01][0-9]|12[0-8]))?)$/i;
const lines = (text) => text.split(/[\s,]+/).filter(Boolean);
const number = (text) => (text.trim() ? Number(text) : null);

export function KeyForm({ apiKey, onClose, onSaved }) {
  const models = useResource("/api/models");
  const known = models.data?.data.flatMap((model) => [model.id, ...model.aliases]);
  const check = (values) => ({
    name: values.name.trim() ? "" : "Give the key a name that says who uses it.",
    budget: values.budget.trim() ? amountProblem(values.budget, { places: BUDGET_PLACES }) : "",
    requests_per_minute: rateProblem(values.requests_per_minute),
    tokens_per_minute: rateProblem(values.tokens_per_minute),
    models: unknown(lines(values.models), known),
    ips: lines(values.ips).filter((ip) => !CIDR.test(ip)).map((ip) => `“${ip}” is no address or range such as 203.0.113.0/24.`)[0] || "",
    expires_at: values.expires_at && startOfDay(values.expires_at) <= nowS() ? "Choose a day after today." : "",
  });
  const send = async (values) => {
    const body = {
      name: values.name.trim(), budget: values.budget.trim() || null, requests_per_minute: number(values.requests_per_minute),
      tokens_per_minute: number(values.tokens_per_minute), models: lines(values.models), ips: lines(values.ips),
      expires_at: values.expires_at ? startOfDay(values.expires_at) : null,
    };
    onSaved(apiKey ? await api.patch(`/api/keys/${apiKey.id}`, body) : await api.post("/api/keys", body));
  };
  const form = useForm({
    name: apiKey?.name || "", budget: apiKey?.budget?.replace(/\.?0+$/, "") || "", requests_per_minute: text(apiKey?.requests_per_minute),
    tokens_per_minute: text(apiKey?.tokens_per_minute), models: apiKey?.models.join("\n") || "", ips: apiKey?.ips.join("\n") || "",
    expires_at: apiKey?.expires_at ? dayOf(apiKey.expires_at) : "",
  }, check, send);
  const title = apiKey ? `Change “${apiKey.name}”` : "Create a key";
  return html`<${Dialog} title=${title} onClose=${onClose}
    footer=${html`<${Button} onClick=${onClose}>Cancel</${Button}><${Button} kind="primary" busy=${form.busy} onClick=${form.submit}>${apiKey ? "Save" : "Create key"}</${Button}>`}>
    <form class="stack" onSubmit=${form.submit} novalidate>
      <${Failure} error=${form.error} what="The key was not saved." />
      <${Field} label="Name" maxlength="80" autocomplete="off" placeholder="production-backend" ...${form.field("name")} />
      <${Field} label="Budget (optional)" before="$" inputmode="decimal" hint="The key stops when it has spent this much." ...${form.field("budget")} />
      <div class="two"><${Field} label="Calls per minute (optional)" inputmode="numeric" ...${form.field("requests_per_minute")} />
        <${Field} label="Tokens per minute (optional)" inputmode="numeric" ...${form.field("tokens_per_minute")} /></div>
      <${Field} label="Only these models (optional)" type="textarea" rows="2" spellcheck="false" hint="Ids, one a line. Empty: all models." ...${form.field("models")} />
      <${Field} label="Only from these addresses (optional)" type="textarea" rows="2" spellcheck="false" hint="Such as 203.0.113.0/24. Empty: from anywhere." ...${form.field("ips")} />
      <${Field} label="Ends on (optional)" type="date" hint="At the beginning of that day, in your time zone." ...${form.field("expires_at")} />
      <button type="submit" hidden></button></form></${Dialog}>`;
}

const text = (value) => (value ? String(value) : "");
const unknown = (ids, known) => {
  const wrong = known && ids.find((id) => !known.includes(id));
  return wrong ? `There is no model “${wrong}”.` : "";
};

function rateProblem(value) {
  if (!value.trim()) return "";
  return /^\d+$/.test(value.trim()) && Number(value) >= 1 && Number(value) <= RATE_MAX ? "" : "A whole number, at least 1.";
}
