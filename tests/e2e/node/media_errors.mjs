// One failure of each kind at the endpoints beside chat.
import { bytesOf } from "./paid.mjs";

const SPEECH = { model: "tts-1", voice: "alloy", input: "one two three" };
const IMAGE = { model: "gpt-image-1-mini", prompt: "a red fox" };
const UPLOAD = { filename: "a.png", bytes: 100, mime_type: "image/png", purpose: "vision" };
// More than a request may have.
const HUGE_BYTES = 6 * 1024 * 1024 + 1;

const speak = (target, changes, key = "api_key") =>
  target.failure(() => target.client(key).audio.speech.create({ ...SPEECH, ...changes }));

const hear = (target, file, model = "whisper-1") =>
  target.failure(async () => target.client().audio.transcriptions.create({ model, file: await file }));

const embed = (target, wanted) => target.failure(() => target.client().embeddings.create(wanted));

const upload = (target, changes) =>
  target.failure(() => target.client().uploads.create({ ...UPLOAD, ...changes }));

export const speech_by_no_such_voice = (target) => speak(target, { voice: "nobody" });

export const speech_of_nothing = (target) => speak(target, { input: "" });

export const speech_of_too_much = (target) => speak(target, { input: "a".repeat(4097) });

export const speech_by_a_chat_model = (target) => speak(target, { model: "demo-chat" });

export const speech_as_events_by_characters = (target) => speak(target, { stream_format: "sse" });

export const speech_for_the_poor = (target) => speak(target, { input: "a".repeat(4000) }, "poor_key");

export const images_of_no_such_size = (target) =>
  target.failure(() => target.client().images.generate({ ...IMAGE, size: "7x7" }));

export const images_without_data = (target) =>
  target.failure(() =>
    target
      .client("hasty_key", "hasty_url", { maxRetries: 0 })
      .images.generate({ ...IMAGE, model: "gpt-image-1-mini+no-data" }),
  );

// Its name and type say PNG.
export const images_from_a_text_file = (target) =>
  target.failure(async () => {
    const image = await target.openai.toFile(Buffer.from("these are words"), "a.png", { type: "image/png" });
    return target.client().images.edit({ ...IMAGE, image });
  });

// Its name and type say MP3.
export const transcript_of_a_text_file = (target) =>
  hear(target, target.openai.toFile(Buffer.from("these are words".repeat(100)), "a.mp3", { type: "audio/mpeg" }));

export const transcript_of_a_huge_file = (target) =>
  hear(target, target.openai.toFile(Buffer.alloc(HUGE_BYTES), "a.wav", { type: "audio/wav" }));

export const transcript_by_a_chat_model = (target) =>
  hear(target, target.openai.toFile(bytesOf(target, "recording"), "a.wav"), "demo-chat");

export const embedding_by_no_such_model = (target) => embed(target, { model: "no/such:model", input: "one" });

export const embedding_of_nothing = (target) => embed(target, { model: "text-embedding-3-small", input: "" });

export const completion_without_words = (target) =>
  target.failure(() => target.client().completions.create({ model: "demo-chat", prompt: [] }));

export const upload_of_anything = (target) => upload(target, { mime_type: "application/x-sh" });

export const upload_too_large = (target) => upload(target, { bytes: 10 ** 12 });

// In a chat of another account.
export const upload_of_somebody_else = (target) =>
  target.failure(() => {
    const url = `upload://${target.config.foreign_upload}`;
    const messages = [{ role: "user", content: [{ type: "image_url", image_url: { url } }] }];
    return target.client("payer_key").chat.completions.create({ model: "demo-chat", messages });
  });
