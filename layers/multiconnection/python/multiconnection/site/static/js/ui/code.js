// Code in several languages, one at a time.
import { html, useId, useState } from "../lib/html.js";
import { CopyButton } from "./basics.js";

// snippets: [[label, code], …]
export function CodeTabs({ snippets, label = "Example" }) {
  const id = useId();
  const [chosen, setChosen] = useState(0);
  const move = (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = (chosen + step + snippets.length) % snippets.length;
    setChosen(next);
    event.currentTarget.children[next].focus();
  };
  const [name, code] = snippets[chosen];
  return html`<div class="code"><div class="row between nowrap">
      <div class="tabs grow" role="tablist" aria-label=${label} onKeyDown=${move}>${snippets.map(([tab], n) => html`<button type="button" role="tab"
        key=${tab} id="${id}-${n}" aria-selected=${n === chosen ? "true" : "false"} aria-controls="${id}-p" tabindex=${n === chosen ? 0 : -1}
        onClick=${() => setChosen(n)}>${tab}</button>`)}</div>
      <${CopyButton} text=${code} aria-label=${`Copy the ${name} example`} /></div>
    <pre id="${id}-p" role="tabpanel" tabindex="0" aria-labelledby="${id}-${chosen}"><code>${code}</code></pre></div>`;
}
