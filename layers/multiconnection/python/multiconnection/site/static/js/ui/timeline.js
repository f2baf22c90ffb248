// The states that something went through, and those still to come.
import { html } from "../lib/html.js";
import { Time } from "./basics.js";

// steps: [{label, at, by, reason, state: "done" | "now" | "next" | "bad"}]
export const Timeline = ({ steps, label }) => html`<ol class="timeline" aria-label=${label}>${steps.map((step) => html`
  <li key=${step.label} class=${step.state} aria-current=${step.state === "now" ? "step" : undefined}>
    <strong>${step.label}</strong>
    ${step.at ? html`<span class="muted small"><${Time} at=${step.at} />${step.by ? `, by ${step.by}` : ""}</span>` : null}
    ${step.reason && html`<p class="small">${step.reason}</p>`}</li>`)}</ol>`;
