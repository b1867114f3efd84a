// The users: real supabase-js clients on the real client. Each asks its questions whatever breaks, sends again
// with the same id until it is accepted, and says at the end what was accepted and what its page shows. Some
// questions are replaced by another soon after, and of some answers another version is asked for.
//
// Standard input: one JSON line {url, key, people: [{token, sessions: [{id, questions: [{id, text, edit: {id, text},
// regenerate}]}]}], pauseMs, seed}, then any number of lines "hush" and "speak", and "end" when the house is whole
// again. Standard output: the line "asked" when nobody has anything more to ask, and one JSON line, the report.
import { setTimeout as sleep } from "node:timers/promises";
import { createInterface } from "node:readline";
import { createClient } from "@supabase/supabase-js";
import "../page_modules.mjs";

const { createChat } = await import("../../worker/web/ui/chat/client.ts");

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const { url, key, people, pauseMs, seed } = JSON.parse((await lines.next()).value);
let mayAsk = Promise.resolve();
const ended = listen();
const random = randomFrom(seed);
const FINAL = ["completed", "failed", "cancelled"];
const begun = Date.now();

const talks = people.flatMap((person) => person.sessions.map((session) => talk(person, session)));
await Promise.all(talks.map(({ asked }) => asked));
process.stdout.write("asked\n");
const report = await Promise.all(talks.map(({ told }) => told));
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

/** `asked`: when it has nothing more to ask; `told`: its report. */
function talk({ token }, session) {
  const supabase = createClient(url, key, { accessToken: async () => token });
  const chat = createChat(supabase);
  const talk = { chat, session: session.id, turns: [], accepted: [], replaced: [], regenerated: [], retries: 0 };
  talk.problems = talk.reconnects = 0;
  const subscription = chat.subscribeToChat(session.id, {
    onTurns: (turns) => {
      talk.turns = turns;
    },
    onConnection: (isLive) => {
      if (isLive) talk.reconnects += 1;
    },
    onProblem: (problem) => {
      if (problem) talk.problems += 1;
    },
  });
  const asked = askAll(talk, session.questions);
  return { asked, told: asked.then(() => tell(talk, subscription)) };
}

async function askAll(talk, questions) {
  for (const [number, question] of questions.entries()) {
    // Each has its time of the run; who was kept from it, asks as soon as it can.
    await sleep(Math.max(0, begun + (number + random()) * pauseMs - Date.now()));
    await send(talk, question);
    if (question.edit) {
      await sleep(random() * 1500);
      await send(talk, question.edit, question.id);
      talk.replaced.push(question.id);
    }
    if (question.regenerate) await regenerate(talk, question.id);
  }
}

async function tell(talk, subscription) {
  await ended;
  // What a person would do who waits: nothing. The page heals by itself.
  await settled(talk);
  const turns = talk.turns.map(({ question, state, text, errorCode }) => ({ id: question.id, state, text, errorCode }));
  await subscription.close();
  const { session, accepted, replaced, regenerated, retries, problems, reconnects } = talk;
  return { session, accepted, replaced, regenerated, turns, retries, problems, reconnects };
}

/** Another version of an answer, unless it has none within a minute. */
async function regenerate(talk, id) {
  const state = () => talk.turns.find(({ question }) => question.id === id)?.state;
  const deadline = Date.now() + 60_000;
  while (!FINAL.includes(state()) && Date.now() < deadline) await sleep(200);
  if (state() !== "completed") return;
  try {
    await accepted(talk, () => talk.chat.regenerateReply(id));
  } catch (error) {
    // An earlier try was accepted, and its answer was lost.
    if (error.hint !== "reply_state") throw error;
  }
  talk.regenerated.push(id);
}

async function send(talk, { id, text }, replaces) {
  talk.accepted.push(await accepted(talk, () => talk.chat.sendChatMessage(talk.session, text, id, replaces)));
}

/** What the command answers, which is given again until it is accepted. */
async function accepted(talk, command) {
  for (;;) {
    await mayAsk;
    try {
      return await command();
    } catch (error) {
      // 429: too many are waiting. Whatever else is not temporary is a defect, and the report must not hide it.
      if (!error.isTemporary && error.status !== 429) throw error;
      talk.retries += 1;
      await sleep(200 + random() * 800);
    }
  }
}

async function settled(talk) {
  const deadline = Date.now() + 60_000;
  const isSettled = () => {
    const shown = new Map(talk.turns.map((turn) => [turn.question.id, turn]));
    return talk.accepted.every((id) => talk.replaced.includes(id) || isOver(shown.get(id), talk.regenerated));
  };
  while (!isSettled() && Date.now() < deadline) await sleep(200);
}

function isOver(turn, regenerated) {
  if (!FINAL.includes(turn?.state)) return false;
  // Of a page that has not heard of the next version yet.
  const isStale = regenerated.includes(turn.question.id) && turn.state === "completed" && turn.versions.length < 2;
  return !isStale;
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
