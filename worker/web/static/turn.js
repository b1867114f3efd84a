// One question and its answer on the page.

import { formatted } from "./format.js";
import { failure, finish, refusal } from "./words.js";

const STATUS = { sending: "Sending…", waiting: "Waiting for the answer…", writing: "Writing…" };

export function element(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

// Keeps its nodes and touches what changed: a streamed answer is drawn many times a second.
export class TurnView {
  #question = element("p", { className: "question" });
  #answer = element("div", { className: "answer" });
  #status = element("span");
  #button = element("button", { type: "button", className: "quiet" });
  #foot = element("p", { className: "status" }, this.#status, this.#button);
  #drawn = {};
  node = element("li", { className: "turn" }, this.#question, this.#answer, this.#foot);

  // commands: {stop, retry, sendAgain}, each given the id of the question
  constructor(commands) {
    this.commands = commands;
  }

  get state() {
    return this.#drawn.state;
  }

  draw(turn) {
    const drawn = this.#drawn;
    if (turn.question !== drawn.question) this.#question.textContent = turn.question;
    if (turn.text !== drawn.text) this.#answer.replaceChildren(formatted(turn.text));
    this.#answer.hidden = turn.text === "";
    this.#drawn = turn;
    const { words, label, command } = this.#footOf(turn);
    this.#status.textContent = words;
    this.#button.textContent = label;
    this.#button.hidden = !label;
    this.#button.onclick = () => command(turn.id);
    this.#foot.hidden = !words && !label;
    this.node.dataset.state = turn.state;
  }

  #footOf({ state, errorCode, finishReason, problem }) {
    const { stop, retry, sendAgain } = this.commands;
    if (state === "waiting" || state === "writing") return { words: STATUS[state], label: "Stop", command: stop };
    if (state === "failed") {
      const { sentence, canRetry } = failure(errorCode);
      return { words: sentence, label: canRetry ? "Retry" : "", command: retry };
    }
    if (state === "cancelled") return { words: "You stopped this answer.", label: "Ask again", command: retry };
    if (state === "unsent") return { words: `Not sent. ${refusal(problem)}`, label: "Send again", command: sendAgain };
    return { words: STATUS[state] ?? finish(finishReason), label: "" };
  }
}
