// Uploads: the SDK's own method makes one, and a chat, a transcription and an edit refer to it.
import { createHash } from "node:crypto";
import { bytesOf, paid } from "./paid.mjs";

// The upload as it was made, with its file in its place.
async function uploaded(target, client, filename, mime_type, name) {
  const data = bytesOf(target, name);
  const made = await client.uploads.create({ filename, bytes: data.length, mime_type, purpose: "vision" });
  const { url, headers } = made.upload;
  // The length of a body is set by fetch itself.
  const put = await fetch(url, { method: "PUT", body: data, headers: { "content-type": headers["content-type"] } });
  if (!put.ok) throw new Error(`PUT: ${put.status} ${await put.text()}`);
  return made;
}

export const upload_in_chat = (target) =>
  paid(target, async (client) => {
    const made = await uploaded(target, client, "a.png", "image/png", "picture");
    const content = [
      { type: "text", text: "what is this" },
      { type: "image_url", image_url: { url: made.reference } },
    ];
    const opened = client.chat.completions.create({ model: "demo-chat", messages: [{ role: "user", content }] });
    const { data, request_id } = await opened.withResponse();
    return [{ made, prompt_tokens: data.usage.prompt_tokens }, request_id];
  });

// A form with the reference in the place of the file.
export const upload_transcribed = (target) =>
  paid(target, async (client) => {
    const made = await uploaded(target, client, "a.wav", "audio/wav", "recording");
    const body = new FormData();
    body.append("model", "whisper-1");
    body.append("file", made.reference);
    const { data, request_id } = await client.post("/audio/transcriptions", { body }).withResponse();
    return [{ made, text: data.text }, request_id];
  });

// JSON, as the API has it beside the form.
export const upload_edited = (target) =>
  paid(target, async (client) => {
    const made = await uploaded(target, client, "a.png", "image/png", "picture");
    const body = { model: "gpt-image-1-mini", prompt: "a red fox", size: "1024x1024", quality: "low" };
    const images = [{ image_url: made.reference }];
    const { data, request_id } = await client.post("/images/edits", { body: { ...body, images } }).withResponse();
    const digest = createHash("sha256").update(Buffer.from(data.data[0].b64_json, "base64")).digest("hex");
    return [{ made, digest }, request_id];
  });
