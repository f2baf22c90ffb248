// Answers that are not streamed, and the model list.
import { callsOf, TOOLS, WEATHER, WORDS } from "./facts.mjs";

const ask = (target, fields = {}) =>
  target.client().chat.completions.create({ model: "demo-chat", messages: WORDS, ...fields });

export async function models(target) {
  const client = target.client();
  const asked = ["demo-chat", "openai/gpt-oss-20b:free", "deepseek-v4-flash"];
  const listed = [];
  for await (const model of client.models.list()) listed.push(model.id);
  const retrieved = [];
  for (const name of asked) retrieved.push((await client.models.retrieve(name)).id);
  return { listed, retrieved, asked };
}

export async function chat(target) {
  const answer = await ask(target);
  const { message, finish_reason: finish } = answer.choices[0];
  return { text: message.content, finish, usage: answer.usage, request_id: answer._request_id };
}

export async function tools(target) {
  const { message, finish_reason: finish } = (await ask(target, { messages: WEATHER, tools: TOOLS })).choices[0];
  return { calls: callsOf(message), finish };
}

export async function response_format(target) {
  const schema = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
  const answer = await ask(target, {
    response_format: { type: "json_schema", json_schema: { name: "place", schema, strict: true } },
  });
  return { parsed: JSON.parse(answer.choices[0].message.content) };
}

export async function logprobs(target) {
  const answer = await ask(target, { logprobs: true, top_logprobs: 2, max_completion_tokens: 4 });
  const choice = answer.choices[0];
  const found = choice.logprobs.content;
  return {
    text: choice.message.content,
    tokens: found.map((one) => one.token).join(""),
    alternatives: found.map((one) => one.top_logprobs.length),
    finish: choice.finish_reason,
  };
}

export async function choices(target) {
  const answer = await ask(target, { n: 2 });
  return {
    indexes: answer.choices.map((choice) => choice.index),
    texts: answer.choices.map((choice) => choice.message.content),
    completion_tokens: answer.usage.completion_tokens,
  };
}

export async function stop(target) {
  return { text: (await ask(target, { stop: [" You"] })).choices[0].message.content };
}

export async function images(target) {
  const given = [
    { type: "text", text: "what is this" },
    { type: "image_url", image_url: { url: "data:image/png;base64,iVBORw0KGgo=", detail: "low" } },
  ];
  const messages = [{ role: "user", content: given }];
  const [answer, last] = await target.seenUpstream((user) => ask(target, { messages, user }));
  return { prompt_tokens: answer.usage.prompt_tokens, sent: last.body.messages[0].content, given };
}

// A seed at JavaScript's limit, and fields that no SDK knows.
export async function passed_through(target) {
  const fields = { seed: -9007199254740991, top_k: 7, chat_template_kwargs: { thinking: false } };
  const [, { body, headers }] = await target.seenUpstream((user) => ask(target, { ...fields, user }));
  return { body, headers };
}

// The asynchronous client; this SDK has one kind only.
export async function asynchronous(target) {
  return { text: (await ask(target)).choices[0].message.content };
}
