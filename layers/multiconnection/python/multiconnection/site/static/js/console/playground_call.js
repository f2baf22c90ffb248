// One streamed chat call with a short-lived key, and what it took.
import { ApiError, api, failure } from "../lib/api.js";
import { apiBase, url } from "../lib/base.js";
import { nowS } from "../lib/time.js";

const SPARE_S = 60;
export const KEY_BUDGET = "key_budget";
let key = null;

// Stored keys cannot be shown again, so the session mints one of its own and keeps it in memory.
async function sessionKey() {
  if (!key || key.expires_at - SPARE_S < nowS()) key = await api.post("/api/keys/session");
  return key.secret;
}

// The key opens this host alone, wherever the shown base URL points.
const endpoint = () => `${new URL(apiBase, location.href).origin === location.origin ? apiBase : url("/v1")}/chat/completions`;

// Calls `onText(delta)` and `onFirst(ms)`; gives {requestId, usage, finish, ms}. Raises ApiError, AbortError.
export async function streamChat(body, { signal, onText, onFirst, onRequest }) {
  const secret = await sessionKey();
  const started = performance.now();
  let response;
  try {
    response = await fetch(endpoint(), {
      method: "POST", signal, headers: { authorization: `Bearer ${secret}`, "content-type": "application/json" },
      body: JSON.stringify({ ...body, stream: true, stream_options: { include_usage: true } }),
    });
  } catch (cause) {
    if (cause.name === "AbortError") throw cause;
    throw new ApiError(navigator.onLine ? "The server cannot be reached." : "You are offline.");
  }
  const requestId = response.headers.get("x-request-id");
  onRequest(requestId);
  if (!response.ok) {
    const error = await failure(response);
    // Its key has ended or spent its budget: the next call gets another one.
    if (error.status === 401 || error.details.reason === KEY_BUDGET) key = null;
    throw error;
  }
  const result = { requestId, usage: null, finish: null, ms: 0 };
  let first = true;
  let whole = false;
  for await (const text of events(response.body)) {
    if (text === "[DONE]") { whole = true; continue; }
    const event = JSON.parse(text);
    if (event.error) throw new ApiError(event.error.message, { status: 502, code: event.error.code, requestId });
    if (event.usage) result.usage = event.usage;
    const choice = event.choices?.[0];
    if (choice?.finish_reason) result.finish = choice.finish_reason;
    const delta = choice?.delta?.content;
    if (!delta) continue;
    if (first) onFirst(performance.now() - started);
    first = false;
    onText(delta);
  }
  if (!whole) throw new ApiError("The answer broke off.", { status: 502, requestId });
  return { ...result, ms: performance.now() - started };
}

// The data of each server-sent event; comments are skipped.
async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (rest + value).split(/\r?\n/);
    rest = lines.pop();
    for (const line of lines) if (line.startsWith("data:")) yield line.slice(5).trim();
  }
}
