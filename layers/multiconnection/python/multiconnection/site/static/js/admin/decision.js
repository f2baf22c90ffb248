// A decision is confirmed: what it is about is repeated, why it is made is asked for, and what failed is said here.
import { html, useState } from "../lib/html.js";
import { Button, Failure } from "../ui/basics.js";
import { Dialog } from "../ui/dialog.js";
import { Check, Field, useForm } from "../ui/form.js";

const REASON_MAX = 500;

// reason: {label, hint, optional}; `sure` is a sentence to tick, `typed` a text to type; `send(reason)` may throw.
export function Decision({ title, label, danger, reason, sure, typed, wide, send, onClose, what = "Nothing was changed.", children }) {
  const [ticked, setTicked] = useState(false);
  const check = (values) => ({
    reason: reason && !reason.optional && !values.reason.trim() ? "Say why: it is kept with the decision." : "",
    typed: typed && values.typed.trim() !== typed ? `Type “${typed}”.` : "",
  });
  const form = useForm({ reason: "", typed: "" }, check, (values) => send(values.reason.trim()));
  const missing = sure && !ticked;
  const submit = (event) => (missing ? event.preventDefault() : form.submit(event));
  return html`<${Dialog} title=${title} wide=${wide} onClose=${onClose}
    footer=${html`<${Button} onClick=${onClose}>Cancel</${Button}>
      <${Button} kind=${danger ? "danger" : "primary"} busy=${form.busy} disabled=${missing} onClick=${submit}>${label}</${Button}>`}>
    <form class="stack" onSubmit=${submit} novalidate>${children}
      ${reason && html`<${Field} label=${reason.label} hint=${reason.hint} type="textarea" rows="2" maxlength=${REASON_MAX} ...${form.field("reason")} />`}
      ${typed && html`<${Field} label=${`Type “${typed}” to confirm`} autocomplete="off" spellcheck="false" ...${form.field("typed")} />`}
      ${sure && html`<${Check} label=${sure} checked=${ticked} onChange=${setTicked} />`}
      <${Failure} error=${form.error} what=${what} />
      <button type="submit" hidden></button></form></${Dialog}>`;
}
