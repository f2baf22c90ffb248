// Reads where and how to call from stdin, runs every scenario, prints one JSON line for each.
import { text } from "node:stream/consumers";
import * as answers from "./answers.mjs";
import * as errors from "./errors.mjs";
import { Target } from "./facts.mjs";
import * as images from "./images.mjs";
import * as mediaErrors from "./media_errors.mjs";
import * as speech from "./speech.mjs";
import * as streams from "./streams.mjs";
import * as texts from "./texts.mjs";
import * as transcriptions from "./transcriptions.mjs";
import * as uploads from "./uploads.mjs";

const SCENARIOS = {
  ...answers,
  ...streams,
  ...errors,
  ...speech,
  ...images,
  ...transcriptions,
  ...texts,
  ...uploads,
  ...mediaErrors,
};

export async function main(openai) {
  const target = new Target(openai, JSON.parse(await text(process.stdin)));
  for (const [scenario, run] of Object.entries(SCENARIOS)) {
    console.log(JSON.stringify({ scenario, facts: await run(target) }));
  }
}
