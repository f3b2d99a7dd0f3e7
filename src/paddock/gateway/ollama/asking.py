"""What `/api/chat` and `/api/generate` ask a child for, in the child's fields."""

from __future__ import annotations

from typing import Any

from paddock.gateway.ollama.answering import Question
from paddock.gateway.ollama.lines import Told
from paddock.gateway.ollama.options import sampling
from paddock.gateway.ollama.wishes import recipe_of, thinking_fields
from paddock.gateway.peer import PeerModel


def chat_body(
    question: Question, messages: list[dict[str, Any]], *, thinks: bool
) -> dict[str, Any]:
    """A chat request for the child, but for what says how it is streamed."""
    wished = question.wishes
    body: dict[str, Any] = {
        "model": question.target.told or question.name,
        "messages": messages,
        **sampled(question),
        **thinking_fields(wished.think, thinks=thinks),
    }
    if wished.format is not None:
        body["response_format"] = wished.format
    if wished.probabilities is not None:
        body |= {"logprobs": True, "top_logprobs": max(1, wished.probabilities)}
    if messages and messages[-1].get("role") == "assistant" and "tool_calls" not in messages[-1]:
        body |= {"continue_final_message": True, "add_generation_prompt": False}
    return body


def prompt_body(question: Question) -> dict[str, Any]:
    """A request to complete a prompt, but for the prompt."""
    wished = question.wishes
    body = sampled(question)
    if wished.format is not None:
        schema = wished.format.get("json_schema", {}).get("schema", {"type": "object"})
        body["json_schema"] = schema
    if wished.probabilities is not None:
        body["n_probs"] = max(1, wished.probabilities)
    return body


def sampled(question: Question) -> dict[str, Any]:
    """How the answer is sampled. A peer is told only what the client said."""
    model, said = question.target.model, question.wishes.options
    if not isinstance(model, PeerModel):
        return sampling(said, recipe_of(model).parameters) | {"cache_prompt": True}
    limit = said.get("num_predict", -1)
    return said | ({"max_tokens": limit} if limit > 0 else {})


def told(question: Question) -> Told:
    """What the lines of the answer tell beside the words."""
    wished = question.wishes
    return Told(
        question.name,
        question.call.request.path,
        question.clock,
        thinking=wished.think is not False,
        probabilities=wished.probabilities,
    )
