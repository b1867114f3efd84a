// Sentences about an answer, by its state and its error code.

import type { ChatMessage } from "./rows";
import type { Turn, WaitsFor } from "./turn";

export const WAITS_FOR: Record<WaitsFor, string> = {
  answer: "Waits for the answer above.",
  model: "The model is busy; it is tried again.",
  worker: "Nothing can answer at the moment. Your question is kept.",
};

const FAILURES: Record<string, [sentence: string, canRetry: boolean]> = {
  model_overloaded: ["The model is overloaded, or out of reach, at the moment.", true],
  rate_limited: ["Too many questions are being asked at the moment.", true],
  model_unavailable: ["The model cannot be used: whoever runs this page has to look into it.", true],
  timed_out: ["The answer took too long.", true],
  content_blocked: ["The model declined to answer this. Try to ask it differently.", false],
  empty_reply: ["The model gave no answer.", true],
  truncated: ["The answer broke off before its end.", true],
  prompt_too_long: ["This is too long for the model. Try a shorter question.", false],
  out_of_tries: ["The answer failed several times.", true],
  waited_too_long: ["Your question waited too long for the model. Try again in a few minutes.", true],
  internal: ["Something went wrong on our side.", true],
};

/** Why the answer that was asked for is not there. */
export function wordsFor({ state, errorCode, answer }: Turn): { sentence: string; canRetry: boolean } | null {
  if (state === "cancelled") {
    return { sentence: answer ? "You stopped the new version." : "You stopped this answer.", canRetry: true };
  }
  if (state !== "failed") return null;
  const [sentence, canRetry] = FAILURES[errorCode ?? "internal"] ?? FAILURES.internal;
  return { sentence: answer ? `There is no new version. ${sentence}` : sentence, canRetry };
}

/** Made by a program that looks answers up, and by no language model. */
export function isOffline({ model }: ChatMessage): boolean {
  return model?.startsWith("offline-") ?? false;
}

/** What is to be known of a stored answer beside its text. */
export function wordsAfter({ finish_reason }: ChatMessage): string | null {
  if (finish_reason === "max_tokens") return "The answer was cut at its greatest length.";
  if (finish_reason === "repeating") return "The answer began to repeat itself, and was ended here.";
  return finish_reason === "cancelled" ? "You stopped this answer." : null;
}
