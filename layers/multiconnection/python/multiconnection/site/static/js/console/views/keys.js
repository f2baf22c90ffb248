// API keys: list, create, change, rotate, disable, delete.
import { api, query } from "../../lib/api.js";
import { html, useState } from "../../lib/html.js";
import { count, difference, placesOf } from "../../lib/money.js";
import { useAction, useResource } from "../../lib/resource.js";
import { setQuery, withQuery } from "../../lib/router.js";
import { moment, until } from "../../lib/time.js";
import { Badge, Card, Empty, LinkButton, Money, Problem, Time } from "../../ui/basics.js";
import { Confirm, Menu } from "../../ui/dialog.js";
import { useShared } from "../../ui/shell.js";
import { Pager, Table } from "../../ui/table.js";
import { View } from "../../ui/view.js";
import { KeyForm } from "../key_form.js";
import { RotateKey } from "../key_rotate.js";
import { NewSecret, keyLabel } from "../key_secret.js";

const STATUS = { active: ["Active", "good"], disabled: ["Disabled", ""], expired: ["Expired", "warn"] };

export default function Keys({ query: search }) {
  const cursor = search.get("cursor") || "";
  const keys = useResource(query("/api/keys", { cursor }));
  const { account } = useShared();
  const [made, setMade] = useState(null);
  const [deleting, setDeleting] = useState(null);
  const flip = useAction(async (key) => { await api.patch(`/api/keys/${key.id}`, { disabled: key.status === "active" }); keys.reload(); });
  const chosen = (name) => keys.data?.data.find((key) => key.id === search.get(name));
  const close = () => setQuery({ new: null, edit: null, rotate: null });
  const saved = (result) => {
    close();
    keys.reload();
    if (result?.secret) { setMade(result); account.reload(); }
  };
  const columns = [
    { key: "name", label: "Name", head: true, width: "22%", render: (key) => html`<span class="break">${key.name}</span> <code class="sub">${keyLabel(key)}</code>${key.replaced && html`<span class="sub">Old secret</span>`}` },
    { key: "status", label: "Status", width: "12%", render: (key) => html`<${Badge} tone=${STATUS[key.status][1]}>${STATUS[key.status][0]}</${Badge}>` },
    { key: "limits", label: "Limits", width: "18%", render: (key) => html`<span class="small ${key.replaced ? "muted" : ""}">${key.replaced ? "As its key" : limits(key)}</span>` },
    { key: "budget", label: "Budget left", num: true, width: "18%", render: (key) => (key.budget ? html`<${Budget} left=${key.budget_left ?? key.budget} of=${key.budget} />` : html`<span class="muted">No limit</span>`) },
    { key: "used", label: "Last used", width: "13%", render: (key) => html`<${LastUse} apiKey=${key} />` },
    { key: "ends", label: "Ends", render: (key) => (key.expires_at ? html`<${Time} at=${key.expires_at} as=${until} />` : html`<span class="muted">Never</span>`) },
    { key: "menu", label: "", num: true, width: "72px", render: (key) => html`<${Menu} label=${`Actions for ${key.name}`} items=${[
      !key.replaced && { label: "Change", onClick: () => setQuery({ edit: key.id }) },
      !key.replaced && key.status === "active" && { label: "Rotate", onClick: () => setQuery({ rotate: key.id }) },
      !key.replaced && key.status !== "expired" && { label: key.status === "active" ? "Disable" : "Enable", onClick: () => flip.run(key) },
      { label: key.replaced ? "End now" : "Delete", danger: true, onClick: () => setDeleting(key) },
    ]} />` },
  ];
  const create = html`<${LinkButton} kind="primary" icon="plus" href=${withQuery({ new: "1" })}>Create key</${LinkButton}>`;
  return html`<${View} title="Keys" lead="A key is shown once, when it is created." actions=${create}>
    <${Problem} error=${flip.error} what="The key was not changed." />
    <${Card} flush><${Table} caption="API keys" columns=${columns} resource=${keys}
      empty=${html`<${Empty} title="No keys yet" action=${create}>A key lets a program call the API in your name, within the limits you set.</${Empty}>`} />
      <${Pager} resource=${keys} cursor=${cursor} /></${Card}>
    ${search.get("new") && html`<${KeyForm} onClose=${close} onSaved=${saved} />`}
    ${chosen("edit") && html`<${KeyForm} apiKey=${chosen("edit")} onClose=${close} onSaved=${saved} />`}
    ${chosen("rotate") && html`<${RotateKey} apiKey=${chosen("rotate")} onClose=${close} onDone=${keys.reload} />`}
    ${made && html`<${NewSecret} apiKey=${made} onClose=${() => setMade(null)} />`}
    ${deleting && html`<${Deletion} apiKey=${deleting} onClose=${() => setDeleting(null)} onDone=${() => { setDeleting(null); keys.reload(); }} />`}</${View}>`;
}

function Deletion({ apiKey, ...rest }) {
  const action = () => api.delete(`/api/keys/${apiKey.id}`);
  const label = html`<code>${keyLabel(apiKey)}</code>`;
  if (apiKey.replaced) {
    return html`<${Confirm} title=${`End the old secret of “${apiKey.name}”?`} label="End the old secret" action=${action} ...${rest}>
      <p>Last used: <${LastUse} apiKey=${apiKey} />. Programs that still use ${label} are refused at once; the new secret goes on working. This cannot be undone.</p></${Confirm}>`;
  }
  return html`<${Confirm} title=${`Delete “${apiKey.name}”?`} label="Delete the key" typed=${apiKey.name} action=${action} ...${rest}>
    <p>Programs that use ${label} are refused at once. This cannot be undone; to stop a key for a while, disable it.</p></${Confirm}>`;
}

// Only the latest calls are looked through: where a key has none of them, since when is all that is known.
const LastUse = ({ apiKey }) => (apiKey.last_used ? html`<${Time} at=${apiKey.last_used} relative />`
  : apiKey.unused_since > apiKey.created ? html`<span class="muted">Not since <${Time} at=${apiKey.unused_since} as=${moment} /></span>`
    : html`<span class="muted">Not used yet</span>`);

// With as many decimals as show that something was used.
function Budget({ left, of }) {
  const places = placesOf([], [[of, [left, difference(of, left)]]]);
  return html`<${Money} quiet amount=${left} places=${places} /> <span class="muted small">of <${Money} quiet amount=${of} places=${places} /></span>`;
}

function limits(key) {
  const parts = [
    key.models.length && `${key.models.length} model${key.models.length > 1 ? "s" : ""}`,
    key.ips.length && `${key.ips.length} address range${key.ips.length > 1 ? "s" : ""}`,
    key.requests_per_minute && `${count(key.requests_per_minute)} calls/min`,
    key.tokens_per_minute && `${count(key.tokens_per_minute)} tokens/min`,
  ].filter(Boolean);
  return parts.join(", ") || html`<span class="muted">None</span>`;
}
