// The proof of payment, beside the decision. A picture is fetched, as the page's policy lets nothing else show it.
import { ApiError } from "../lib/api.js";
import { html, useEffect, useState } from "../lib/html.js";
import { count } from "../lib/money.js";
import { zone } from "../lib/time.js";
import { Card, Empty, LinkButton, Problem, Skeleton, Time } from "../ui/basics.js";

const KINDS = { "application/pdf": "PDF", "image/png": "PNG picture", "image/jpeg": "JPEG picture", "image/webp": "WebP picture" };
// The place is there before the picture is, and a picture of any size fits in.
const PLACE = { height: "min(560px, 80vw)" };
const FITTING = { width: "100%", height: "100%", objectFit: "contain", objectPosition: "top" };
const size = (bytes) => `${count(Math.ceil(bytes / 1024))} KB`;

export function ReceiptPreview({ order }) {
  const { receipt, receipt_url: url } = order;
  if (!receipt || !url) {
    return html`<${Card} title="Receipt" id="receipt"><${Empty} title="No receipt">The customer has sent none.${order.status === "in_review" && order.method === "bank_transfer" ? ` Look for ${order.reference} in the bank account.` : ""}</${Empty}></${Card}>`;
  }
  const isPicture = receipt.content_type.startsWith("image/");
  const open = html`<${LinkButton} small href=${url} target="_blank" rel="noopener noreferrer">Open in a new tab</${LinkButton}>`;
  return html`<${Card} title="Receipt" id="receipt" actions=${open}><div class="stack">
    <p class="small muted">${KINDS[receipt.content_type] || receipt.content_type}, ${size(receipt.bytes)}, received <${Time} at=${receipt.uploaded} /> ${zone}</p>
    ${isPicture ? html`<${Picture} url=${url} version=${`${order.id} ${receipt.uploaded}`} reference=${order.reference} />`
      : html`<p>A PDF is shown by the browser itself, in a tab of its own.</p>`}</div></${Card}>`;
}

// The address is signed anew with every answer; the picture is the same one until another is uploaded.
function Picture({ url, version, reference }) {
  const [state, setState] = useState({ shown: "", error: null });
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    const abort = new AbortController();
    let shown = "";
    setState({ shown: "", error: null });
    picture(url, abort.signal).then(
      (blob) => { shown = URL.createObjectURL(blob); setState({ shown, error: null }); },
      (error) => { if (error.name !== "AbortError") setState({ shown: "", error }); },
    );
    return () => { abort.abort(); if (shown) URL.revokeObjectURL(shown); };
  }, [version, turn]);
  if (state.error) return html`<${Problem} error=${state.error} what="The receipt could not be shown." retry=${() => setTurn(turn + 1)} />`;
  return html`<div style=${PLACE}>${state.shown
    ? html`<img src=${state.shown} style=${FITTING} alt=${`Receipt of order ${reference}`} onError=${() => setState({ shown: "", error: new ApiError("The file is no picture that can be read.") })} />`
    : html`<${Skeleton} height="min(560px, 80vw)" />`}</div>`;
}

async function picture(url, signal) {
  let response;
  try {
    response = await fetch(url, { signal });
  } catch (cause) {
    if (cause.name === "AbortError") throw cause;
    throw new ApiError("The storage cannot be reached.");
  }
  if (!response.ok) throw new ApiError(`The storage answered ${response.status}.`, { status: response.status });
  return response.blob();
}
