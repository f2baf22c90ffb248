// Taking a model or a provider in or out of service: confirmed, with a reason for the log.
import { api } from "../lib/api.js";
import { html, useState } from "../lib/html.js";
import { Confirm } from "../ui/dialog.js";
import { Field } from "../ui/form.js";

const REASON_CHARS_MAX = 500;

export const Reason = ({ value, onInput }) => html`<${Field} label="Reason (optional, in the audit log)" maxlength=${REASON_CHARS_MAX} value=${value} onInput=${onInput} />`;
export const withReason = (body, reason) => (reason.trim() ? { ...body, reason: reason.trim() } : body);

// `path` is the thing's own in the API; `onDone` gets it as it is afterwards.
export function SwitchDialog({ path, name, enable, children, onClose, onDone }) {
  const [reason, setReason] = useState("");
  const send = async () => onDone(await api.post(`${path}/${enable ? "enable" : "disable"}`, withReason({}, reason)));
  return html`<${Confirm} title=${`${enable ? "Enable" : "Disable"} ${name}?`} label=${enable ? "Enable" : "Disable"} danger=${!enable}
    action=${send} onClose=${onClose} onDone=${onClose}>${children}<${Reason} value=${reason} onInput=${setReason} /></${Confirm}>`;
}
