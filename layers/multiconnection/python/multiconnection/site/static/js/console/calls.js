// Calls as rows, and one call in full; Overview, Usage and Playground show the same.
import { html } from "../lib/html.js";
import { aligned, count, exact, written } from "../lib/money.js";
import { useResource } from "../lib/resource.js";
import { toTheSecond, zone } from "../lib/time.js";
import { Badge, CopyLine, Facts, Money, Problem, Skeleton, Time } from "../ui/basics.js";
import { Dialog } from "../ui/dialog.js";

export const ENDED = {
  complete: ["Complete", "good"],
  upstream_error: ["Provider failed", "bad"],
  empty: ["Empty answer", "warn"],
  mid_stream_error: ["Broke off", "bad"],
  deadline: ["Out of time", "warn"],
  killed: ["Cut off", "bad"],
  undelivered: ["Not delivered", "warn"],
  internal_error: ["Our fault", "bad"],
};
const SOURCES = {
  upstream: "By the provider", request: "In the request, exactly", partial: "Up to where it broke off", estimated: "Estimated", none: "Nothing to count",
};
const LINE_NAMES = {
  input: "Input tokens", cached_input: "Cached input tokens", cache_write: "Cache write tokens", output: "Output tokens",
  input_audio: "Audio input tokens", output_audio: "Audio output tokens", input_image: "Image input tokens",
  output_image: "Image output tokens", characters: "Characters", seconds: "Seconds", images: "Images", rounding: "Rounding up to a nano-dollar", not_charged: "Not charged", adjustment: "Adjustment",
};

export function EndedBadge({ ended }) {
  const [label, tone] = ENDED[ended] || [ended.replaceAll("_", " "), ""];
  return html`<${Badge} tone=${tone}>${label}</${Badge}>`;
}

export function amountOf(usage) {
  if (usage.images) return `${count(usage.images)} ${usage.images === 1 ? "image" : "images"}`;
  if (usage.characters) return `${count(usage.characters)} characters`;
  if (usage.seconds) return `${count(usage.seconds)} s`;
  if (!usage.prompt_tokens && !usage.completion_tokens) return "—";
  return `${count(usage.prompt_tokens || 0)} → ${count(usage.completion_tokens || 0)}`;
}

// `href(call)` is where a call opens; `places` are the decimals of its cost.
export const callColumns = (href, places) => [
  { key: "created", label: `Time (${zone})`, head: true, width: "25%", render: (call) => html`<a class="plain" href=${href(call)}><${Time} at=${call.created} as=${toTheSecond} /></a>` },
  { key: "model", label: "Model", width: "27%", render: (call) => html`<span class="break">${call.model}</span>` },
  { key: "tokens", label: "In → out", num: true, width: "18%", render: (call) => amountOf(call.usage) },
  { key: "ended", label: "Ended", render: (call) => html`<${EndedBadge} ended=${call.ended} />` },
  { key: "cost", label: "Cost", num: true, render: (call) => html`<${Money} quiet amount=${call.cost} places=${places} />` },
];

export function CallDrawer({ id, keyName, onClose }) {
  const call = useResource(`/api/usage/${encodeURIComponent(id)}`);
  return html`<${Dialog} drawer title="Call" onClose=${onClose}>
    <div class="stack"><${CopyLine} text=${id} label="request id" />
      ${call.error ? html`<${Problem} error=${call.error} what="This call could not be loaded." retry=${call.reload} />`
        : call.data ? html`<${CallDetails} call=${call.data} keyName=${keyName} />` : html`<${Skeleton} lines=${10} height="24px" />`}
    </div></${Dialog}>`;
}

export function CallDetails({ call, keyName }) {
  const [charged, ...amounts] = aligned([call.cost, ...call.lines.map((line) => line.amount)]);
  return html`<div class="stack">
    <p class="row between"><${EndedBadge} ended=${call.ended} /><strong class="figure num">${exact(call.cost)}</strong></p>
    <p>${call.why}</p>
    <div class="table-wrap" tabindex="0" role="group" aria-label="How the cost comes about"><table class="plain-table lines"><caption class="small muted">Quantity × price, at price version ${call.price_version}</caption>
      <thead><tr><th scope="col">What</th><th scope="col" class="num">Quantity</th><th scope="col" class="num">Price</th><th scope="col" class="num">Amount</th></tr></thead>
      <tbody>${call.lines.map((line, n) => html`<tr key=${line.kind}><th scope="row">${LINE_NAMES[line.kind] || line.kind}</th><td class="num">${count(line.quantity)}</td>
        <td class="num">${written(line.price)}<span class="muted small"> / ${line.per}</span></td><td class="num">${written(amounts[n])}</td></tr>`)}</tbody>
      <tfoot><tr><th scope="row" colspan="3">Charged</th><td class="num">${written(charged)}</td></tr></tfoot></table></div>
    <${Facts} items=${[
      ["Time", html`<${Time} at=${call.created} as=${toTheSecond} /> ${zone}`],
      ["Model", call.model],
      ["API key", keyName?.(call.key_id) || html`<code>${call.key_id}</code>`],
      call.endpoint && ["Endpoint", call.endpoint + (call.streamed ? ", streamed" : "")],
      ["Duration", `${count(call.duration_ms)} ms`],
      call.provider && ["Provider", `${call.provider}${call.attempts > 1 ? `, attempt ${call.attempts}` : ""}`],
      ["Set aside", html`<span class="num">${exact(call.hold)}</span>`],
      Number(call.overrun) > 0 && ["Above what was set aside", html`<span class="num">${exact(call.overrun)}</span>`],
      ["Counted", SOURCES[call.usage_source] || call.usage_source],
    ]} /></div>`;
}
