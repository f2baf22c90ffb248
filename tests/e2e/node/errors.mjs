// One failure of each kind: the SDK's exception, its members, and how often the SDK tried.
import { WORDS } from "./facts.mjs";

const chat =
  (target, { model = "demo-chat", key, url, fields = {}, ...options } = {}) =>
  () =>
    target.client(key, url, options).chat.completions.create({ model, messages: WORDS, ...fields });

export const no_key = (target) =>
  target.failure(chat(target, { defaultHeaders: { Authorization: null } }));

export const wrong_key = (target) => target.failure(chat(target, { key: "wrong_key" }));

export const poor = (target) =>
  target.failure(chat(target, { key: "poor_key", fields: { max_tokens: 8000 } }));

export const model_not_allowed = (target) =>
  target.failure(chat(target, { model: "demo-slow", key: "limited_key" }));

export const model_not_found = (target) => target.failure(chat(target, { model: "no/such:model" }));

export const retrieve_unknown = (target) =>
  target.failure(() => target.client().models.retrieve("no/such:model"));

export const invalid = (target) => target.failure(chat(target, { fields: { n: -3 } }));

export const refused_by_provider = (target) => target.failure(chat(target, { model: "demo-error-400" }));

// A key of one request per minute: the second call at the latest.
export async function limited(target) {
  const call = chat(target, { key: "crowded_key", maxRetries: 0 });
  const first = await target.failure(call);
  return first.class ? first : target.failure(call);
}

export const limited_by_provider = (target) => target.failure(chat(target, { model: "demo-error-429" }));

export const provider_failed = (target) => target.failure(chat(target, { model: "demo-error-500" }));

export const provider_sent_html = (target) =>
  target.failure(chat(target, { model: "demo-error-html", maxRetries: 0 }));

// Our key at the provider is broken: never the customer's 401.
export const provider_refused_us = (target) =>
  target.failure(chat(target, { model: "demo-error-401", maxRetries: 0 }));

// An error before the first event of a stream is an ordinary HTTP error.
export const stream_refused = (target) =>
  target.failure(chat(target, { model: "demo-first-event-error", maxRetries: 0, fields: { stream: true } }));

// The gateway's own deadline; the provider may have worked, so no SDK may simply try again.
export const timed_out = (target) =>
  target.failure(chat(target, { model: "demo-hang", key: "hasty_key", url: "hasty_url" }));
