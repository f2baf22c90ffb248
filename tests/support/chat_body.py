"""A chat request's body for tests; `demo` tells the demo upstream how to behave."""


def chat_body(text: str = "hello", model: str = "demo-chat", **members: object) -> dict[str, object]:
    return {"model": model, "messages": [{"role": "user", "content": text}], **members}
