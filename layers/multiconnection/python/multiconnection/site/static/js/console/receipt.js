// The proof of payment: dropped or chosen, sent straight to storage, with progress.
import { ApiError, api } from "../lib/api.js";
import { html, useRef, useState } from "../lib/html.js";
import { count } from "../lib/money.js";
import { useAction } from "../lib/resource.js";
import { Button, Card, Problem } from "../ui/basics.js";
import { isOpen } from "./orders.js";

const TYPES = ["application/pdf", "image/png", "image/jpeg", "image/webp"];
const BYTES_MAX = 10 * 1024 * 1024;
const size = (bytes) => (bytes < 1024 * 1024 ? `${count(Math.ceil(bytes / 1024))} KB` : `${count(Math.round(bytes / 1024 / 102.4) / 10)} MB`);

export function Receipt({ order, onChange }) {
  const [progress, setProgress] = useState(null);
  const [problem, setProblem] = useState("");
  const [over, setOver] = useState(false);
  const input = useRef(null);
  const path = `/api/orders/${encodeURIComponent(order.id)}/receipt`;
  const upload = useAction(async (file) => {
    try {
      setProgress(0);
      const { upload: target } = await api.post(path, { content_type: file.type, bytes: file.size, filename: file.name.slice(-255) });
      await put(target, file, setProgress);
      onChange(await api.post(`${path}/done`));
    } finally {
      setProgress(null);
    }
  });
  const take = (file) => {
    if (!file) return;
    const wrong = !TYPES.includes(file.type) ? "A PDF, PNG, JPEG or WebP file is needed."
      : file.size > BYTES_MAX ? `The file has ${size(file.size)}; at most ${size(BYTES_MAX)} are taken.` : file.size === 0 ? "The file is empty." : "";
    setProblem(wrong);
    if (!wrong) upload.run(file);
  };
  const drop = (event) => { event.preventDefault(); setOver(false); take(event.dataTransfer.files[0]); };
  const done = order.receipt?.uploaded;
  const isContract = order.method === "enterprise_contract";
  return html`<${Card} title=${isContract ? "Contract or order form" : "Receipt"} id="receipt"><div class="stack tight">
    ${done && html`<p>Received: ${order.receipt.content_type === "application/pdf" ? "PDF" : "image"}, ${size(order.receipt.bytes)}.</p>`}
    ${isOpen(order) && html`<div class=${`drop ${over ? "over" : ""}`} onDragOver=${(event) => { event.preventDefault(); setOver(true); }} onDragLeave=${() => setOver(false)} onDrop=${drop}>
      ${progress === null
        ? html`<p>${done ? "Send another file to replace it." : `Drop ${isContract ? "it" : "the bank's receipt"} here, or choose a file.`}</p>
          <${Button} small onClick=${() => input.current.click()}>Choose a file</${Button}><p class="small muted">PDF, PNG, JPEG or WebP, up to ${size(BYTES_MAX)}</p>`
        : html`<label class="stack tight">Sending … ${progress} %<progress max="100" value=${progress}></progress></label>`}
      <input type="file" class="visually-hidden" tabindex="-1" aria-label="Receipt" ref=${input} accept=${TYPES.join(",")} onChange=${(event) => { take(event.target.files[0]); event.target.value = ""; }} /></div>`}
    ${problem && html`<p class="field"><span class="error" role="alert">${problem}</span></p>`}
    <${Problem} error=${upload.error} what="The file was not sent." /></div></${Card}>`;
}

function put(target, file, onProgress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open(target.method, target.url);
    for (const [name, value] of Object.entries(target.headers || {})) {
      // The browser says the length itself, and refuses to be told.
      if (name.toLowerCase() !== "content-length") request.setRequestHeader(name, value);
    }
    request.upload.onprogress = (event) => onProgress(Math.round((100 * event.loaded) / event.total));
    request.onload = () => (request.status < 300 ? resolve() : reject(new ApiError(`The storage answered ${request.status}.`, { status: request.status })));
    request.onerror = () => reject(new ApiError("The storage cannot be reached."));
    request.send(file);
  });
}
