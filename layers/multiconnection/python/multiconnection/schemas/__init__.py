"""Wire types with field names as OpenAI spells them."""
