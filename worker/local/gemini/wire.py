"""Gemini's JSON: reads requests, writes answers and errors."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .tokens import count_tokens

MODEL_VERSION = "offline-extractive"
"""Stored with each answer. The page shows a badge on answers whose model begins with "offline-"."""
INPUT_TOKEN_LIMIT = 1_048_576
OUTPUT_TOKEN_LIMIT = 65_536
MODELS = ("gemini-3.5-flash-lite", "gemini-3.8-flash", "gemini-2.5-flash")
METHODS = ("generateContent", "streamGenerateContent", "countTokens")


class RequestError(Exception):
    """A refusal, with Google's messages. `status`: the HTTP status; `code`: Google's name for it."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code

    @property
    def body(self) -> dict[str, Any]:
        return {"error": {"code": self.status, "message": str(self), "status": self.code}}


def invalid(message: str) -> RequestError:
    return RequestError(400, "INVALID_ARGUMENT", message)


def not_found(message: str) -> RequestError:
    return RequestError(404, "NOT_FOUND", message)


@dataclass(frozen=True)
class Turn:
    """One message of the conversation; `role` is "user" or "model"."""

    role: str
    text: str


@dataclass(frozen=True)
class Request:
    turns: list[Turn]
    system_instruction: str
    max_output_tokens: int | None

    @property
    def prompt_tokens(self) -> int:
        return count_tokens(self.system_instruction + "".join(turn.text for turn in self.turns))


def read_request(body: object) -> Request:
    """Raises RequestError for a body that Gemini would refuse as well."""
    if not isinstance(body, dict):
        raise invalid("Invalid JSON payload received. The root must be an object.")
    contents = body.get("contents")
    if not isinstance(contents, list) or not contents:
        raise invalid("* GenerateContentRequest.contents: contents is not specified")
    turns = [Turn(_role(content), _text(content, "contents")) for content in contents]
    system = _field(body, "systemInstruction")
    return Request(
        turns=turns,
        system_instruction="" if system is None else _text(system, "system_instruction"),
        max_output_tokens=_max_output_tokens(_field(body, "generationConfig")),
    )


def _field(holder: Mapping[str, Any], name: str) -> Any:
    """JSON of protocol buffers accepts both spellings of a name, and google-genai sends both."""
    snake = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
    return holder.get(name, holder.get(snake))


def _role(content: object) -> str:
    role = content.get("role", "user") if isinstance(content, dict) else None
    if role not in ("user", "model"):
        raise invalid("Please use a valid role: user, model.")
    return str(role)


def _text(content: object, where: str) -> str:
    parts = content.get("parts") if isinstance(content, dict) else None
    if isinstance(parts, dict):
        parts = [parts]
    if not isinstance(parts, list) or not parts:
        raise invalid(f"* GenerateContentRequest.{where}.parts: contents.parts must not be empty.")
    texts = []
    for part in parts:
        if not isinstance(part, dict) or not isinstance(part.get("text", ""), str):
            raise invalid(f"Invalid JSON payload received. Invalid value at '{where}.parts'.")
        texts.append(part.get("text", ""))
    return "".join(texts)


def _max_output_tokens(config: object) -> int | None:
    if config is None:
        return None
    if not isinstance(config, dict):
        raise invalid("Invalid JSON payload received. Invalid value at 'generation_config'.")
    limit = _field(config, "maxOutputTokens")
    if limit is None:
        return None
    is_whole = type(limit) is int or (type(limit) is float and limit.is_integer())
    if not is_whole or limit < 1:
        raise invalid("* GenerateContentRequest.generation_config.max_output_tokens: must be positive")
    return int(limit)


def chunk(text: str, usage: dict[str, Any], response_id: str, finish_reason: str | None) -> dict[str, Any]:
    """One event of a stream, or the response of a unary call."""
    candidate: dict[str, Any] = {"content": {"parts": [{"text": text}], "role": "model"}, "index": 0}
    if finish_reason:
        candidate["finishReason"] = finish_reason
    return {
        "candidates": [candidate],
        "usageMetadata": usage,
        "modelVersion": MODEL_VERSION,
        "responseId": response_id,
    }


def usage(prompt_tokens: int, candidates_tokens: int) -> dict[str, Any]:
    return {
        "promptTokenCount": prompt_tokens,
        "candidatesTokenCount": candidates_tokens,
        "totalTokenCount": prompt_tokens + candidates_tokens,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": prompt_tokens}],
    }


def model_card(name: str) -> dict[str, Any]:
    return {
        "name": f"models/{name}",
        "version": MODEL_VERSION,
        "displayName": f"{name} (offline)",
        "description": "Quotes the post and its analysis. Generates nothing.",
        "inputTokenLimit": INPUT_TOKEN_LIMIT,
        "outputTokenLimit": OUTPUT_TOKEN_LIMIT,
        "supportedGenerationMethods": list(METHODS),
    }
