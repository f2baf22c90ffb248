// The browser's API: JSON in and out, one kind of error, and events for what concerns every view.
import { url } from "./base.js";

export class ApiError extends Error {
  constructor(message, { status = 0, code = null, param = null, requestId = null, retryAfter = 0, details = {} } = {}) {
    super(message);
    Object.assign(this, { status, code, param, requestId, retryAfter, details });
  }
  get isOffline() { return this.status === 0; }
  // Nothing of ours has answered: what was asked for may have been done all the same.
  get isUnknown() { return this.status === 0 || (this.status >= 500 && !this.code); }
  get isSession() { return this.status === 401 && /^session_/.test(this.code || ""); }
}

export async function failure(response) {
  const requestId = response.headers.get("x-request-id");
  let error = {};
  try {
    error = (await response.json()).error || {};
  } catch {
    // A proxy's page instead of our JSON: the status says enough.
  }
  return new ApiError(error.message || `The server answered ${response.status}.`, {
    status: response.status, code: error.code, param: error.param, requestId, details: error,
    retryAfter: Number(response.headers.get("retry-after")) || 0,
  });
}

async function request(method, path, body, { signal } = {}) {
  const headers = { accept: "application/json" };
  if (method !== "GET") headers["x-mc-csrf"] = "1";
  if (body !== undefined) headers["content-type"] = "application/json";
  let response;
  try {
    response = await fetch(url(path), {
      method, headers, signal, credentials: "same-origin", body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (cause) {
    if (cause.name === "AbortError") throw cause;
    throw new ApiError(navigator.onLine ? "The server cannot be reached." : "You are offline.");
  }
  if (!response.ok) {
    const error = await failure(response);
    if (error.isSession) dispatchEvent(new CustomEvent("sessionlost", { detail: error }));
    throw error;
  }
  return response.status === 204 ? null : response.json();
}

export const api = {
  get: (path, options) => request("GET", path, undefined, options),
  post: (path, body = {}, options) => request("POST", path, body, options),
  patch: (path, body, options) => request("PATCH", path, body, options),
  delete: (path, options) => request("DELETE", path, undefined, options),
};

// `query("/api/usage", {model: "x", from: ""})` is /api/usage?model=x
export function query(path, values) {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    if (value !== undefined && value !== null && value !== "") search.set(name, value);
  }
  return search.size ? `${path}?${search}` : path;
}
