"""An OpenAI-compatible upstream for demos, tests and benchmarks; `BEHAVIOURS` names the models that misbehave.

The token rule of chat, so that a cost can be computed by hand:

- prompt_tokens = whitespace-separated words over all message texts + 4 per message + 85 per image.
  Tool definitions and tool calls in the history count nothing.
- completion_tokens = pieces of the answer, over all choices, + reasoning tokens. A piece of text is one
  whitespace-separated word, so a whole text has `len(text.split())`; `demo.chunks` says the number instead.
  A tool call has one piece for its name and one for each word of its JSON arguments.
- reasoning_tokens = 8 in all when `reasoning_effort` is given and not "none" (always for demo-deepseek and
  demo-gemini), never more than the token limit; they leave that much less room for the visible pieces.
- cached_tokens = prompt_tokens // 2 with a `prompt_cache_key`, else 0 (demo-deepseek: always the half).

A `demo` object in the request body sets details: `chunks` (number of content chunks: the text's words, repeated or
cut), `text` (the answer), `delay_ms` (between chunks; an unstreamed answer waits for all of them), `first_delay_ms`
(before the first event), `usage` (reported verbatim), `fail_after_chunks` (an error event after that many chunks).
In a form it is a field with that object as JSON. `GET /_stats` shows the number of requests by model and the last one.

A misbehaviour is named by the model, on every endpoint: `demo-cut`, or `MODEL+cut` where the model's family matters.
`tts-1`, `dall-e-2`, `dall-e-3`, `whisper-1` and names with `diarize` or `large` behave as their originals do; all
others are like gpt-4o-mini-tts, gpt-image-1, gpt-4o-transcribe and text-embedding-3-small. Raw audio has no events:
where an error would come in its middle, the connection is dropped.

The token rule of the other endpoints; a text has one token for each whitespace-separated word:

- speech (reported only with `stream_format: sse`): input = words of input and instructions, output = 20 per second,
  rounded up; a character takes 0.06 s at speed 1, a whole text at most 20 s.
- images (gpt-image only): input = words of the prompt + 85 per given picture or mask, output = 272 (low), 1056 (medium,
  auto) or 4160 (high) per 1024x1024 pixels, rounded up for each picture, + 100 per partial picture.
- transcriptions: input = 10 per second, rounded up, + words of `prompt`; output = words of the transcript. Whisper and
  translations: seconds, rounded up. A `prompt` of "say: TEXT" makes TEXT the transcript.
- embeddings and completions: words, or the tokens that were given; completions add the answer's words, for each of
  max(n, best_of) candidates, at most `max_tokens` (default 16) each.

Read `app.py` (routes) and `behaviours.py` (the models) first, then an endpoint: `chat.py` with `dialects.py`,
`texts.py`, `audio.py` or `images.py`. `serving.py` sends answers in the way of a model, `wire.py` is HTTP.
"""

from local.demo_upstream.behaviours import BEHAVIOURS

__all__ = ["BEHAVIOURS"]
