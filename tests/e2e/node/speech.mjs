// Speech: whole, in pieces as they come, and as events.
import { all, paid } from "./paid.mjs";

const TEXT = "one two three";
const TOKEN_PRICED = "gpt-4o-mini-tts";

const kindOf = (answer) => answer.headers.get("content-type");
const idOf = (answer) => answer.headers.get("x-request-id");
const text = (audio) => Buffer.from(audio).toString("base64");

export const speech = (target) =>
  paid(target, async (client) => {
    const answer = await client.audio.speech.create({ model: "tts-1", voice: "alloy", input: TEXT });
    return [{ kind: kindOf(answer), audio: text(await answer.arrayBuffer()) }, idOf(answer)];
  });

export const speech_in_pieces = (target) =>
  paid(target, async (client) => {
    const answer = await client.audio.speech.create({
      model: TOKEN_PRICED,
      voice: "marin",
      input: TEXT,
      instructions: "very slowly",
      response_format: "pcm",
      stream_format: "audio",
      speed: 0.5,
      demo: { delay_ms: 20 },
    });
    const pieces = await all(answer.body);
    return [{ kind: kindOf(answer), audio: text(Buffer.concat(pieces)), pieces: pieces.length }, idOf(answer)];
  });

export const speech_events = (target) =>
  paid(target, async (client) => {
    const wanted = { model: TOKEN_PRICED, voice: "marin", input: TEXT, response_format: "wav", stream_format: "sse" };
    const answer = await client.audio.speech.create(wanted);
    return [{ kind: kindOf(answer), body: await answer.text() }, idOf(answer)];
  });

// The provider dies in the middle of bare audio; the class of what is thrown is the transport's.
export const speech_cut = (target) =>
  paid(target, async (client) => {
    const demo = { fail_after_chunks: 3, delay_ms: 20 };
    const answer = await client.audio.speech.create({ model: "tts-1", voice: "alloy", input: TEXT, demo });
    const pieces = [];
    let raised = null;
    try {
      for await (const piece of answer.body) pieces.push(piece);
    } catch (error) {
      raised = error.constructor.name;
    }
    return [{ raised, audio: text(Buffer.concat(pieces)) }, idOf(answer)];
  });
