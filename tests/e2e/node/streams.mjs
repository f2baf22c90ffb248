// Streamed answers: whole ones, broken ones, and one that the client leaves.
import { callsOf, TOOLS, WEATHER, WORDS } from "./facts.mjs";

const CHUNKS_SEEN = 3;

const open = (target, model, fields = {}, client = target.client()) =>
  client.chat.completions.create({ model, messages: WORDS, stream: true, ...fields });

export const stream = (target) => read(target, open(target, "demo-chat"));

export const stream_usage = (target) =>
  read(target, open(target, "demo-chat", { stream_options: { include_usage: true } }));

export async function stream_choices(target) {
  const texts = ["", ""];
  for await (const chunk of await open(target, "demo-chat", { n: 2 })) {
    for (const choice of chunk.choices) texts[choice.index] += choice.delta.content ?? "";
  }
  return { texts };
}

// Keep-alive comments before the first event and between events.
export function silence(target) {
  const demo = { first_delay_ms: 500, chunks: 2, delay_ms: 400 };
  return read(target, open(target, "demo-chat", { demo }, target.client("hasty_key", "hasty_url")));
}

export const stream_tools = (target) => helped(target, "demo-chat");

// A provider whose deltas lack index, type and role, and repeat id and name.
export const stream_tools_raw = (target) => helped(target, "demo-tools-raw");

export const failed_midstream = (target) => read(target, open(target, "demo-fail-midstream"));

export const cut = (target) => read(target, open(target, "demo-cut"));

export const ended_early = (target) => read(target, open(target, "demo-eof"));

// Leaves a long stream after a few chunks.
export async function cancelled(target) {
  const opened = open(target, "demo-chat", { demo: { chunks: 40, delay_ms: 40 } });
  const { data, request_id } = await opened.withResponse();
  let seen = 0;
  for await (const _ of data) {
    seen += 1;
    if (seen === CHUNKS_SEEN) break;
  }
  return { seen, request_id };
}

// Text, finish and usage as far as the stream went, and the exception that ended it.
async function read(target, opened) {
  const chunks = [];
  let failure = null;
  try {
    for await (const chunk of await opened) chunks.push(chunk);
  } catch (error) {
    failure = target.failureFacts(error);
  }
  const choices = chunks.flatMap((chunk) => chunk.choices);
  return {
    text: choices.map((choice) => choice.delta.content ?? "").join(""),
    roles: choices.flatMap((choice) => choice.delta.role ?? []),
    finishes: choices.flatMap((choice) => choice.finish_reason ?? []),
    usages: chunks.filter((chunk) => "usage" in chunk).map((chunk) => chunk.usage),
    chunks: chunks.length,
    failure,
  };
}

async function helped(target, model) {
  const helper = target.client().chat.completions.stream({ model, messages: WEATHER, tools: TOOLS });
  const { message, finish_reason: finish } = (await helper.finalChatCompletion()).choices[0];
  return { calls: callsOf(message), finish };
}
