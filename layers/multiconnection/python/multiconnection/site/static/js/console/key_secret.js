// A new key, shown once: copy it, say so, and start from a snippet that has it.
import { chatSnippets } from "../lib/snippets.js";
import { html, useState } from "../lib/html.js";
import { useResource } from "../lib/resource.js";
import { Button, CopyLine, Notice } from "../ui/basics.js";
import { CodeTabs } from "../ui/code.js";
import { Dialog } from "../ui/dialog.js";
import { Check } from "../ui/form.js";

const MESSAGES = [{ role: "user", content: "hello MultiConnection" }];

// sk-live-…1710: what is left to see of a key.
export const keyLabel = (key) => `${key.prefix.replace(/…$/, "")}…${key.last4}`;

export function exampleModel(models, allowed = []) {
  const chat = models.filter((model) => model.kind === "chat").map((model) => model.id);
  return chat.find((id) => allowed.includes(id)) || ["deepseek-v4-flash", "gpt-4.1-mini", "demo-chat"].find((id) => chat.includes(id)) || chat[0] || "gpt-4.1";
}

export function NewSecret({ apiKey, onClose, note }) {
  const [kept, setKept] = useState(false);
  const models = useResource("/api/models");
  const model = exampleModel(models.data?.data || [], apiKey.models);
  return html`<${Dialog} title="Your new key" wide locked onClose=${onClose}
    footer=${html`<${Button} kind="primary" disabled=${!kept} onClick=${onClose}>Done</${Button}>`}>
    <div class="stack"><${Notice} tone="warn" title="Copy the key now">It is not shown again. Afterwards only ${keyLabel(apiKey)} can be seen.</${Notice}>
      <${CopyLine} text=${apiKey.secret} label=${`key ${apiKey.name}`} />${note}
      <${CodeTabs} snippets=${chatSnippets({ model, messages: MESSAGES, key: apiKey.secret })} label="First call" />
      <${Check} label="I have saved it" checked=${kept} onChange=${setKept} /></div></${Dialog}>`;
}
