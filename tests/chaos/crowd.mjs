// The users: real supabase-js clients on the real chat.ts. Each asks its questions whatever breaks, sends again
// with the same id until it is accepted, and says at the end what was accepted and what its page shows.
//
// Standard input: one JSON line {url, key, people: [{token, sessions: [{id, questions: [{id, text}]}]}], pauseMs, seed},
// then any number of lines "hush" and "speak", and "end" when the house is whole again. Standard output: one JSON
// line, the report.
import { setTimeout as sleep } from "node:timers/promises";
import { createInterface } from "node:readline";
import { createClient } from "@supabase/supabase-js";
import { createChat } from "../../worker/web/ui/chat.ts";

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const { url, key, people, pauseMs, seed } = JSON.parse((await lines.next()).value);
let mayAsk = Promise.resolve();
const ended = listen();
const random = randomFrom(seed);
const begun = Date.now();

const report = await Promise.all(people.flatMap((person) => person.sessions.map((session) => talk(person, session))));
// More than a pipe holds: whoever exits at once leaves half of it unsaid.
process.stdout.write(`${JSON.stringify(report)}\n`, () => process.exit(0));

async function listen() {
  let speak = () => {};
  for await (const word of { [Symbol.asyncIterator]: () => lines }) {
    if (word === "end") return;
    if (word === "speak") speak();
    if (word === "hush") {
      mayAsk = new Promise((resolve) => {
        speak = resolve;
      });
    }
  }
}

async function talk({ token }, session) {
  const supabase = createClient(url, key, { accessToken: async () => token });
  const chat = createChat(supabase);
  const shown = { turns: [], problems: 0, reconnects: 0 };
  const subscription = chat.subscribeToChat(session.id, {
    onTurns: (turns) => {
      shown.turns = turns;
    },
    onConnection: (isLive) => {
      if (isLive) shown.reconnects += 1;
    },
    onProblem: (problem) => {
      if (problem) shown.problems += 1;
    },
  });
  const accepted = [];
  let retries = 0;
  for (const [number, question] of session.questions.entries()) {
    // Each has its time of the run; who was kept from it, asks as soon as it can.
    await sleep(Math.max(0, begun + (number + random()) * pauseMs - Date.now()));
    await mayAsk;
    retries += await send(chat, session.id, question);
    accepted.push(question.id);
  }
  await ended;
  // What a person would do who waits: nothing. The page heals by itself.
  await settled(() => shown.turns, accepted);
  const turns = shown.turns.map(({ question, state, text, errorCode }) => ({ id: question.id, state, text, errorCode }));
  await subscription.close();
  return { session: session.id, accepted, turns, retries, problems: shown.problems, reconnects: shown.reconnects };
}

/** Until it is accepted; answers how often it had to be sent again. */
async function send(chat, sessionId, { id, text }) {
  for (let retries = 0; ; retries += 1) {
    try {
      await chat.sendChatMessage(sessionId, text, id);
      return retries;
    } catch (error) {
      // 429: too many are waiting. Whatever else is not temporary is a defect, and the report must not hide it.
      if (!error.isTemporary && error.status !== 429) throw error;
      await sleep(200 + random() * 800);
    }
  }
}

async function settled(turns, accepted) {
  const deadline = Date.now() + 60_000;
  const isSettled = () => {
    const states = new Map(turns().map(({ question, state }) => [question.id, state]));
    return accepted.every((id) => ["completed", "failed", "cancelled"].includes(states.get(id)));
  };
  while (!isSettled() && Date.now() < deadline) await sleep(200);
}

/** A small generator (mulberry32): the same seed, the same pauses. */
function randomFrom(start) {
  let state = start >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
