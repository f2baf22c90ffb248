// Audio in: each format of a transcript, streamed ones, and translations.
import { all, bytesOf, paid } from "./paid.mjs";

const WHISPER = "whisper-1";
const TOKEN_PRICED = "gpt-4o-transcribe";

const recording = (target) => target.openai.toFile(bytesOf(target, "recording"), "meeting.wav");

const heard = (target, fields, told) =>
  paid(target, async (client) => {
    const file = await recording(target);
    const opened = client.audio.transcriptions.create({ file, model: WHISPER, ...fields });
    const { data, response, request_id } = await opened.withResponse();
    return [told(data, response), request_id];
  });

const object = (target, fields) => heard(target, fields, (answer) => ({ answer }));

const text = (target, fields) =>
  heard(target, fields, (given, response) => ({ kind: response.headers.get("content-type"), text: given }));

export const transcript_json = (target) => object(target, {});

export const transcript_by_tokens = (target) =>
  object(target, { model: TOKEN_PRICED, prompt: "names: Ada", language: "en" });

export const transcript_verbose = (target) =>
  object(target, { response_format: "verbose_json", timestamp_granularities: ["word", "segment"] });

export const transcript_text = (target) => text(target, { response_format: "text" });

export const transcript_srt = (target) => text(target, { response_format: "srt" });

export const transcript_vtt = (target) => text(target, { response_format: "vtt" });

export const transcript_streamed = (target) =>
  paid(target, async (client) => {
    const file = await recording(target);
    const opened = client.audio.transcriptions.create({ file, model: TOKEN_PRICED, stream: true });
    const { data, request_id } = await opened.withResponse();
    return [{ events: await all(data) }, request_id];
  });

export const translation = (target) =>
  paid(target, async (client) => {
    const opened = client.audio.translations.create({ file: await recording(target), model: WHISPER });
    const { data, request_id } = await opened.withResponse();
    return [{ answer: data }, request_id];
  });
