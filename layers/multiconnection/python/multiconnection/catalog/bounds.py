"""Upper bounds of a call's cost, known before the upstream is called."""

from dataclasses import dataclass, replace

from multiconnection.money import BASIS_POINTS, PICO_PER_NANO, charge_nano
from multiconnection.usage import Usage

from .models import Model, Prices
from .nfkc import gain_max

# A chat template adds a few tokens around each message, and a few to open the answer.
MESSAGE_OVERHEAD_TOKENS = 8
# Providers put a text of their own before the tools of a request. Anthropic documents 159 to 530 tokens by model
# (docs.anthropic.com, "Tool use pricing and tokens"), and templates of open models have up to about 700.
TOOLS_PREAMBLE_TOKENS = 1024
# Templates write a tool as XML or TypeScript instead of JSON: tags around it, and around each of its members, where
# JSON has six bytes (`"a":1,`) that are counted already.
TOOL_TOKENS = 32
MEMBER_TOKENS = 8
# And a text that says how to keep to a schema, or how long to think.
FORMAT_PREAMBLE_TOKENS = 256
# The least output that is worth starting when the caller named no limit.
OUTPUT_TOKENS_MIN = 64


@dataclass(frozen=True, slots=True)
class CostBound:
    """The most that a call can cost: `fixed_pico` for its input, `per_token_pico` for each output token."""

    fixed_pico: int
    per_token_pico: int
    output_tokens: int
    markup_basis_points: int = 0

    @property
    def hold_nano(self) -> int:
        return charge_nano(self.fixed_pico + self.per_token_pico * self.output_tokens, self.markup_basis_points)

    def affordable_tokens(self, available_nano: int) -> int:
        """The largest output whose hold is not above `available_nano`; -1 when the input alone is."""
        affordable_pico = available_nano * BASIS_POINTS * PICO_PER_NANO // (BASIS_POINTS + self.markup_basis_points)
        if affordable_pico < self.fixed_pico:
            return -1
        if self.per_token_pico == 0:
            return self.output_tokens
        return (affordable_pico - self.fixed_pico) // self.per_token_pico

    def with_output(self, output_tokens: int) -> "CostBound":
        return replace(self, output_tokens=output_tokens)


def text_tokens_max(text: bytes) -> int:
    """Most tokens a byte-level BPE can make of UTF-8 `text`: one per byte, also after NFKC normalisation.

    NFKC can grow a text (U+FDFA: 3 bytes become 33), and some tokenizers normalise first. The time is linear in the
    text's size.
    """
    return len(text) if text.isascii() else len(text) + gain_max(text)


def chat_input_tokens_max(
    text_tokens: int, preamble_tokens: int, messages: int, images: int, image_tokens_max: int, context_window: int
) -> int:
    """Input bound of a chat request: `text_tokens` is `text_tokens_max` of its serialised body without image data.

    `preamble_tokens` are those of texts that the provider adds.
    """
    bound = text_tokens + preamble_tokens + MESSAGE_OVERHEAD_TOKENS * (messages + 1) + images * image_tokens_max
    return min(bound, context_window) if context_window else bound


def chat_cost_bound(
    prices: Prices, input_tokens: int, output_tokens: int, choices: int, markup_basis_points: int
) -> CostBound:
    return CostBound(
        fixed_pico=input_tokens * prices.dearest_input,
        per_token_pico=prices.dearest_output * choices,
        output_tokens=output_tokens,
        markup_basis_points=markup_basis_points,
    )


def cost_nano(model: Model, usage: Usage, markup_basis_points: int) -> int:
    """n$ of a call's tokens, characters and time: exact in p$, rounded up once."""
    return charge_nano(model.cost_pico(usage), markup_basis_points)
