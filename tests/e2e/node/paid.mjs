// Calls of a customer of his own: what was answered, and his balance before and after it.
import { setTimeout as sleep } from "node:timers/promises";

const SETTLED_TRIES_MAX = 200;
const POLL_MS = 50;

// `call` returns what it tells and its request id; nobody else spends from this account meanwhile.
export async function paid(target, call) {
  const client = target.client("payer_key", "base_url", { maxRetries: 0 });
  const before = await client.get("/balance");
  const [told, request_id] = await call(client);
  return { ...told, request_id, before, after: await settled(client) };
}

// The balance when nothing is in flight: an SDK may throw at an error before the stream has ended.
async function settled(client) {
  for (let tries = 0; tries < SETTLED_TRIES_MAX; tries += 1) {
    const found = await client.get("/balance");
    if (Number(found.in_flight) === 0) return found;
    await sleep(POLL_MS);
  }
  throw new Error("the call was never settled");
}

export const bytesOf = (target, name) => Buffer.from(target.config[name], "base64");

export async function all(stream) {
  const found = [];
  for await (const one of stream) found.push(one);
  return found;
}
