// Embeddings of every kind of input, legacy completions, moderations.
import { all, paid } from "./paid.mjs";

const MODEL = "text-embedding-3-small";
const WORDS = "one two three";
const SHOWN = 8;

const embedded = (target, fields) =>
  paid(target, async (client) => {
    const { data, request_id } = await client.embeddings.create({ model: MODEL, ...fields }).withResponse();
    const found = data.data.map((one) => one.embedding);
    const starts = found.map((vector) => Array.from(vector).slice(0, SHOWN));
    return [{ starts, lengths: found.map((vector) => vector.length), usage: data.usage }, request_id];
  });

// Without saying a format the SDK asks for base64 and reads it.
export const embedding_of_a_text = (target) => embedded(target, { input: WORDS });

export const embedding_of_texts = (target) => embedded(target, { input: [WORDS, "four"] });

export const embedding_of_tokens = (target) => embedded(target, { input: [1, 2, 3] });

export const embedding_of_token_lists = (target) => embedded(target, { input: [[1, 2], [3]] });

export const embedding_in_floats = (target) =>
  embedded(target, { input: WORDS, encoding_format: "float", dimensions: SHOWN });

// Asked for by name it is handed on as it is.
export const embedding_in_base64 = (target) =>
  paid(target, async (client) => {
    const wanted = { model: MODEL, input: WORDS, encoding_format: "base64", dimensions: SHOWN };
    const { data, request_id } = await client.embeddings.create(wanted).withResponse();
    return [{ encoded: data.data[0].embedding }, request_id];
  });

export const completion = (target) =>
  paid(target, async (client) => {
    const opened = client.completions.create({ model: "demo-chat", prompt: WORDS });
    const { data, request_id } = await opened.withResponse();
    const { text, finish_reason: finish } = data.choices[0];
    return [{ object: data.object, text, finish, usage: data.usage }, request_id];
  });

export const completion_streamed = (target) =>
  paid(target, async (client) => {
    const opened = client.completions.create({
      model: "demo-chat",
      prompt: [WORDS, "four"],
      stream: true,
      stream_options: { include_usage: true },
    });
    const { data, request_id } = await opened.withResponse();
    const chunks = await all(data);
    const texts = ["", ""];
    for (const choice of chunks.flatMap((chunk) => chunk.choices)) texts[choice.index] += choice.text;
    return [{ texts, usages: chunks.flatMap((chunk) => chunk.usage ?? []) }, request_id];
  });

export const moderation = (target) =>
  paid(target, async (client) => {
    const { data, request_id } = await client.moderations.create({ input: ["I hate you", WORDS] }).withResponse();
    const flagged = data.results.map((one) => one.flagged);
    return [{ flagged, hate: data.results.map((one) => one.categories.hate) }, request_id];
  });
