// The page: sign in, pick a post, chat about it.

import { Chat } from "./chat.js";
import { details, listLine } from "./post.js";
import { TurnView } from "./turn.js";
import { refusal } from "./words.js";

const NEAR_THE_END = 80; // pixels: closer than this, the page follows the text
const POSTS = "id, quick_takeaways, viral_status, created_at, posts(platform, url, creator, caption, metrics)";

const $ = (id) => document.getElementById(id);
let supabase;
let userId = null;
let analyses = [];
let chat = null;
let views = new Map(); // TurnView by the question's id
let leaving = Promise.resolve(); // chats that are being closed
let picked = null;
let isDrawing = false;

async function start() {
  const response = await fetch("/config.json");
  const { supabaseUrl, publishableKey } = await response.json();
  if (!window.supabase) return say("supabase-js is missing: run make install, then reload.");
  supabase = window.supabase.createClient(supabaseUrl, publishableKey);
  $("demo-hint").hidden = !["127.0.0.1", "localhost"].includes(new URL(supabaseUrl).hostname);
  listen();
  // Not awaited inside: the client holds a lock while it calls back.
  supabase.auth.onAuthStateChange((_event, session) => setTimeout(() => showUser(session?.user ?? null)));
}

function listen() {
  $("sign-in").addEventListener("submit", signIn);
  $("sign-out").addEventListener("click", () => supabase.auth.signOut());
  $("back").addEventListener("click", leavePost);
  $("ask").addEventListener("submit", ask);
  $("question").addEventListener("keydown", (event) => {
    // While an input method composes a character, Enter belongs to it.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    $("ask").requestSubmit();
  });
  $("question").addEventListener("input", fitQuestion);
  document.addEventListener("visibilitychange", healIfVisible);
  window.addEventListener("online", healIfVisible);
}

function healIfVisible() {
  if (document.visibilityState === "visible" && chat?.hasSession()) chat.heal();
}

async function signIn(event) {
  event.preventDefault();
  say("");
  $("sign-in-button").disabled = true;
  const { error } = await supabase.auth.signInWithPassword({ email: $("email").value, password: $("password").value });
  $("sign-in-button").disabled = false;
  if (error) say(error.status === 400 ? "This e-mail address and password do not match." : refusal({}));
  else $("password").value = "";
}

async function showUser(user) {
  // The client reports the same user at every renewal of the token.
  if ((user?.id ?? null) === userId && document.body.dataset.view) return;
  userId = user?.id ?? null;
  leavePost();
  $("sign-out").hidden = !user;
  document.body.dataset.view = user ? "list" : "signed-out";
  analyses = [];
  $("posts").replaceChildren();
  if (user) await showPosts();
}

async function showPosts() {
  const { data, error } = await supabase
    .from("post_analyses").select(POSTS).order("created_at", { ascending: false }).order("id").limit(100);
  if (error) return say(refusal(error));
  analyses = data;
  $("posts").replaceChildren(...data.map((analysis) => listLine(analysis, pick)));
  $("no-posts").hidden = data.length > 0;
}

async function pick(analysisId) {
  leavePost();
  picked = analysisId;
  const analysis = analyses.find(({ id }) => id === analysisId);
  document.body.dataset.view = "post";
  mark(analysisId);
  $("post-title").textContent = `${analysis.posts.creator ?? "A post"} on ${analysis.posts.platform}`;
  $("post").replaceChildren(...details(analysis));
  $("question").focus();
  // A channel that is still being left would be handed out again for the same post.
  await leaving;
  if (picked !== analysisId || chat) return;
  const opened = new Chat(supabase, analysisId, drawSoon);
  chat = opened;
  drawSoon();
  const error = await opened.open();
  if (error && chat === opened) say(refusal(error));
}

function leavePost() {
  leaving = Promise.all([leaving, chat?.close()]).catch(() => {});
  chat = null;
  picked = null;
  views = new Map();
  $("turns").replaceChildren();
  $("announcer").textContent = "";
  say("");
  mark(null);
  if (document.body.dataset.view === "post") document.body.dataset.view = "list";
}

function mark(analysisId) {
  for (const button of $("posts").querySelectorAll("button")) {
    if (button.dataset.analysis === analysisId) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
  }
}

function ask(event) {
  event.preventDefault();
  const content = $("question").value;
  if (!chat || content.trim() === "") return;
  $("question").value = "";
  fitQuestion();
  say("");
  chat.send(content);
}

function fitQuestion() {
  $("question").rows = Math.min(6, $("question").value.split("\n").length);
}

// Deltas come faster than a screen is drawn.
function drawSoon() {
  if (isDrawing) return;
  isDrawing = true;
  requestAnimationFrame(() => {
    isDrawing = false;
    if (chat) draw(chat);
  });
}

function draw(shown) {
  const list = $("scroll");
  const turns = shown.turns();
  const follows = views.size === 0 || list.scrollHeight - list.scrollTop - list.clientHeight < NEAR_THE_END;
  const isNewQuestion = turns.some(({ id, state }) => state === "sending" && !views.has(id));
  turns.forEach((turn, index) => drawTurn(turn, index));
  $("empty").hidden = turns.length > 0;
  $("connection").hidden = shown.isLive || !shown.hasSession();
  if (follows || isNewQuestion) list.scrollTop = list.scrollHeight;
}

function drawTurn(turn, index) {
  let view = views.get(turn.id);
  if (!view) {
    view = new TurnView({
      stop: (id) => command("stop", id),
      retry: (id) => command("retry", id),
      sendAgain: (id) => chat?.sendAgain(id),
    });
    views.set(turn.id, view);
  }
  const before = view.state;
  view.draw(turn);
  if ($("turns").children[index] !== view.node) $("turns").insertBefore(view.node, $("turns").children[index] ?? null);
  if (before && before !== turn.state) announce(turn, view);
}

// Told when an answer is whole: read out piece by piece, nobody could follow it.
function announce(turn, view) {
  const status = view.node.querySelector(".status span").textContent;
  $("announcer").textContent = turn.state === "completed" ? `Answer: ${turn.text}` : status;
}

async function command(name, id) {
  const error = await chat?.[name](id);
  // The reply was settled meanwhile: what the page shows next says so.
  if (error && error.code !== "PT409") say(refusal(error));
}

function say(sentence) {
  $("notice").textContent = sentence;
  $("notice").hidden = sentence === "";
}

start().catch(() => say("The page could not start. Reload it to try again."));
