// What the page says about states and errors.

const FAILURES = {
  model_overloaded: ["The model is overloaded at the moment.", true],
  rate_limited: ["Too many questions are being asked at the moment.", true],
  model_unavailable: ["The model could not be reached.", true],
  timed_out: ["The answer took too long.", true],
  content_blocked: ["The model declined to answer this. Try to ask it differently.", false],
  empty_reply: ["The model gave no answer.", true],
  truncated: ["The answer broke off before its end.", true],
  prompt_too_long: ["This is too long for the model. Try a shorter question.", false],
  out_of_tries: ["The answer failed several times.", true],
  internal: ["Something went wrong on our side.", true],
};

const FINISHES = {
  max_tokens: "The answer was cut at its greatest length.",
  cancelled: "You stopped this answer.",
};

export function failure(errorCode) {
  const [sentence, canRetry] = FAILURES[errorCode] ?? FAILURES.internal;
  return { sentence, canRetry };
}

export function finish(finishReason) {
  return FINISHES[finishReason] ?? "";
}

// An error of the API, as a sentence. Those with a PT code carry one made for the reader.
export function refusal({ code = "", message = "" }) {
  if (code.startsWith("PT")) return message;
  if (code === "42501") return "You may not do this, or your sign-in has expired.";
  if (code === "23514") return "A message has 1 to 4,000 characters.";
  return "The server could not be reached. Check the connection and try again.";
}
