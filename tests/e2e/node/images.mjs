// Images: whole, as links, streamed, and edited from one file or several.
import { createHash } from "node:crypto";
import { all, bytesOf, paid } from "./paid.mjs";

const FOX = { model: "gpt-image-1-mini", prompt: "a red fox", size: "1024x1024", quality: "low" };

const digest = (encoded) =>
  encoded === undefined ? null : createHash("sha256").update(Buffer.from(encoded, "base64")).digest("hex");
const whole = (answer) => ({
  digests: answer.data.map((one) => digest(one.b64_json)),
  usage: answer.usage ?? null,
});
const eventFacts = (event) => ({
  type: event.type,
  digest: digest(event.b64_json),
  usage: event.usage ?? null,
});
const png = (target, name, filename) =>
  target.openai.toFile(bytesOf(target, name), filename, { type: "image/png" });

export const images_whole = (target) =>
  paid(target, async (client) => {
    const { data, request_id } = await client.images.generate({ ...FOX, n: 2 }).withResponse();
    return [whole(data), request_id];
  });

// The least that can be asked.
export const images_by_default = (target) =>
  paid(target, async (client) => {
    const { data, request_id } = await client.images.generate({ prompt: FOX.prompt }).withResponse();
    return [whole(data), request_id];
  });

export const images_as_links = (target) =>
  paid(target, async (client) => {
    const wanted = { model: "dall-e-3", prompt: FOX.prompt, size: "1792x1024", quality: "hd", response_format: "url" };
    const { data, request_id } = await client.images.generate(wanted).withResponse();
    return [{ ...whole(data), items: data.data }, request_id];
  });

export const images_streamed = (target) =>
  paid(target, async (client) => {
    const opened = client.images.generate({ ...FOX, stream: true, partial_images: 2 });
    const { data, request_id } = await opened.withResponse();
    return [{ events: (await all(data)).map(eventFacts) }, request_id];
  });

// The provider fails after the first partial image.
export const images_broken_off = (target) =>
  paid(target, async (client) => {
    const demo = { fail_after_chunks: 1 };
    const opened = client.images.generate({ ...FOX, stream: true, partial_images: 2, demo });
    const { data, request_id } = await opened.withResponse();
    const events = [];
    let failure = null;
    try {
      for await (const event of data) events.push(eventFacts(event));
    } catch (error) {
      failure = target.failureFacts(error);
    }
    return [{ events, failure }, request_id];
  });

export const images_edited = (target) =>
  paid(target, async (client) => {
    const image = await png(target, "picture", "a.png");
    const { data, request_id } = await client.images.edit({ ...FOX, image }).withResponse();
    return [whole(data), request_id];
  });

export const images_edited_from_several = (target) =>
  paid(target, async (client) => {
    const image = [await png(target, "picture", "a.png"), await png(target, "other_picture", "b.png")];
    const mask = await png(target, "picture", "m.png");
    const { data, request_id } = await client.images.edit({ ...FOX, image, mask, stream: true }).withResponse();
    return [{ events: (await all(data)).map(eventFacts) }, request_id];
  });
