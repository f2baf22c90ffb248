// Replacing a key: the old one goes on working for a while, so that nothing stops.
import { api } from "../lib/api.js";
import { html, useState } from "../lib/html.js";
import { useAction } from "../lib/resource.js";
import { Button, Facts, Failure, Time } from "../ui/basics.js";
import { Dialog } from "../ui/dialog.js";
import { Field } from "../ui/form.js";
import { NewSecret, keyLabel } from "./key_secret.js";

const OVERLAPS = [["0", "At once"], ["3600", "In 1 hour"], ["86400", "In 1 day"], ["604800", "In 7 days"]];

export function RotateKey({ apiKey, onClose, onDone }) {
  const [overlap, setOverlap] = useState("86400");
  const [made, setMade] = useState(null);
  const rotate = useAction(async () => setMade(await api.post(`/api/keys/${apiKey.id}/rotate`, { overlap_s: Number(overlap) })));
  if (made) {
    const note = html`<${Facts} items=${[
      ["New key", html`<code>${keyLabel(made.new)}</code>, works now`],
      ["Old key", html`<code>${keyLabel(made.old)}</code>, ends <${Time} at=${made.old.expires_at} />`]]} />`;
    return html`<${NewSecret} apiKey=${made.new} note=${note} onClose=${() => { onDone(); onClose(); }} />`;
  }
  return html`<${Dialog} title=${`Rotate “${apiKey.name}”`} onClose=${onClose}
    footer=${html`<${Button} onClick=${onClose}>Cancel</${Button}><${Button} kind="primary" busy=${rotate.busy} onClick=${rotate.run}>Make the new key</${Button}>`}>
    <div class="stack"><p>A new key with the same limits is made. The old one, <code>${keyLabel(apiKey)}</code>, goes on working until it ends.</p>
      <${Field} label="The old key ends" type="select" options=${OVERLAPS} value=${overlap} onInput=${setOverlap} />
      <${Failure} error=${rotate.error} what="The key was not rotated." /></div></${Dialog}>`;
}
