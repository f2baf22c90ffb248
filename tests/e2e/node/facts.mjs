// A client whose attempts are recorded, and what is noted down of an answer or a failure.

const TRIES_MAX = 20;
export const WORDS = [{ role: "user", content: "one two three" }];
export const WEATHER = [{ role: "user", content: "use both tools for the weather" }];

const tool = (name) => ({
  type: "function",
  function: {
    name,
    strict: true,
    parameters: {
      type: "object",
      properties: { city: { type: "string" }, days: { type: "integer" } },
      required: ["city", "days"],
      additionalProperties: false,
    },
  },
});
export const TOOLS = [tool("get_weather"), tool("get_forecast")];

export const callsOf = (message) =>
  (message.tool_calls ?? []).map((call) => ({
    id: call.id,
    type: call.type,
    name: call.function.name,
    arguments: JSON.parse(call.function.arguments),
  }));

// The gateway under test; `attempts` has the SDK's own retry number of each request of the last `failure`.
export class Target {
  constructor(openai, config) {
    this.openai = openai;
    this.config = config;
    this.attempts = [];
  }

  client(key = "api_key", url = "base_url", options = {}) {
    const noting = (input, init) => {
      this.attempts.push(new Headers(init.headers).get("x-stainless-retry-count"));
      return fetch(input, init);
    };
    return new this.openai.OpenAI({
      baseURL: this.config[url],
      apiKey: this.config[key],
      fetch: noting,
      ...options,
    });
  }

  // The answer, and the request as the demo upstream got it; others call it too, hence the mark and the tries.
  async seenUpstream(call) {
    for (let tries = 0; tries < TRIES_MAX; tries += 1) {
      const mark = crypto.randomUUID();
      const answer = await call(mark);
      const stats = await (await fetch(`${this.config.demo_url}/_stats`)).json();
      if (stats.last_request.body.user === mark) return [answer, stats.last_request];
    }
    throw new Error("somebody else was always faster");
  }

  async failure(call) {
    this.attempts = [];
    try {
      await call();
    } catch (error) {
      return { ...this.failureFacts(error), attempts: this.attempts };
    }
    return { class: null, attempts: this.attempts };
  }

  // `details` is the error object of the body.
  failureFacts(error) {
    if (!(error instanceof this.openai.OpenAIError)) throw error;
    return {
      class: error.constructor.name,
      status: error.status ?? null,
      code: error.code ?? null,
      type: error.type ?? null,
      param: error.param ?? null,
      request_id: error.requestID ?? null,
      details: error.error ?? null,
    };
  }
}
