// The scenarios with the SDK of this folder.
import * as openai from "openai";
import { main } from "../main.mjs";

await main(openai);
