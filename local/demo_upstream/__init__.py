"""An OpenAI-compatible upstream for demos, tests and benchmarks; `BEHAVIOURS` names the models that misbehave.

Its token rule, so that a cost can be computed by hand:

- prompt_tokens = whitespace-separated words over all message texts + 4 per message + 85 per image.
  Tool definitions and tool calls in the history count nothing.
- completion_tokens = pieces of the answer, over all choices, + reasoning tokens. A piece of text is one
  whitespace-separated word, so a whole text has `len(text.split())`; `demo.chunks` says the number instead.
  A tool call has one piece for its name and one for each word of its JSON arguments.
- reasoning_tokens = 8 in all when `reasoning_effort` is given and not "none" (always for demo-deepseek and
  demo-gemini), never more than the token limit; what they use is missing for the visible pieces.
- cached_tokens = prompt_tokens // 2 with a `prompt_cache_key`, else 0 (demo-deepseek: always the half).

A `demo` object in the request body sets details: `chunks` (number of content chunks: the text's words, repeated or
cut), `text` (the answer), `delay_ms` (between chunks; an unstreamed answer waits for all of them), `first_delay_ms`
(before the first event), `usage` (reported verbatim), `fail_after_chunks` (an error event after that many chunks).
`GET /_stats` tells what was asked, `POST /_reset` forgets it.
"""

from local.demo_upstream.behaviours import BEHAVIOURS

__all__ = ["BEHAVIOURS"]
