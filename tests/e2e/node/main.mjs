// Reads where and how to call from stdin, runs every scenario, prints one JSON line for each.
import { text } from "node:stream/consumers";
import * as answers from "./answers.mjs";
import * as errors from "./errors.mjs";
import { Target } from "./facts.mjs";
import * as streams from "./streams.mjs";

export async function main(openai) {
  const target = new Target(openai, JSON.parse(await text(process.stdin)));
  for (const [scenario, run] of Object.entries({ ...answers, ...streams, ...errors })) {
    console.log(JSON.stringify({ scenario, facts: await run(target) }));
  }
}
