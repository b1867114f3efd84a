// The component's style sheet.

import { useInsertionEffect } from "react";

// Added by the style sheet interface, which a Content-Security-Policy without 'unsafe-inline' allows.
export function useStyles(): void {
  useInsertionEffect(() => {
    if (styles) return;
    styles = new CSSStyleSheet();
    styles.replaceSync(CSS);
    document.adoptedStyleSheets = [...document.adoptedStyleSheets, styles];
  }, []);
}

let styles: CSSStyleSheet | undefined;

const CSS = `
:where(:root) {
  --chat-ground: #f6f6f4; --chat-surface: #fff; --chat-ink: #1d2126; --chat-soft: #5b6470; --chat-line: #d9dce0;
  --chat-accent: #2456c7; --chat-on-accent: #fff; --chat-question: #e4ecfd; --chat-warning: #9c2f1f;
}
@media (prefers-color-scheme: dark) {
  :where(:root) {
    --chat-ground: #14171b; --chat-surface: #1d2127; --chat-ink: #e8eaed; --chat-soft: #a2abb7; --chat-line: #3a424c;
    --chat-accent: #8db0ff; --chat-on-accent: #10203f; --chat-question: #26365a; --chat-warning: #ff9d8b;
  }
}
.chat, .chat * { box-sizing: border-box; }
.chat {
  display: flex; flex-direction: column; height: 100%; min-height: 0; min-width: 0;
  background: var(--chat-ground); color: var(--chat-ink); font: 1rem/1.5 system-ui, sans-serif;
}
.chat :focus-visible { outline: 2px solid var(--chat-accent); outline-offset: 2px; }
.chat button {
  appearance: none; font: inherit; font-size: .9rem; padding: .3rem .75rem; min-height: 2rem; cursor: pointer;
  border: 1px solid var(--chat-line); border-radius: .6rem; background: var(--chat-surface); color: var(--chat-accent);
}
.chat button:is(:disabled, [aria-disabled="true"]) { opacity: .55; cursor: default; }
.chat-unseen { margin: 0; position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.chat-hint { margin: 1rem 0; color: var(--chat-soft); text-align: center; }

.chat-scroller { position: relative; flex: 1; min-height: 0; }
.chat-scroll { height: 100%; overflow-y: auto; overflow-anchor: none; overscroll-behavior: contain; padding: 1rem; }
.chat-scroll:focus-visible { outline-offset: -2px; }
.chat-content { max-width: 46rem; min-height: 100%; margin-inline: auto; display: flex; flex-direction: column; }
.chat .chat-newest {
  position: absolute; bottom: .75rem; left: 50%; transform: translateX(-50%);
  border-radius: 2rem; box-shadow: 0 2px 8px rgb(0 0 0 / .2);
}
.chat-earlier { align-self: center; margin-bottom: 1rem; }

.chat-turns { list-style: none; margin: 0; padding: 0; }
.chat-turn { display: flex; flex-direction: column; gap: .5rem; margin-bottom: 1.5rem; }
.chat-question, .chat-answer { border-radius: 1rem; padding: .6rem .9rem; overflow-wrap: anywhere; min-width: 0; }
.chat-question { align-self: flex-end; max-width: 85%; background: var(--chat-question); }
.chat-question p { margin: 0; white-space: pre-wrap; }
.chat-answer { width: min(100%, 42rem); padding-block: 0; background: var(--chat-surface); border: 1px solid var(--chat-line); }
.chat-turn time { color: var(--chat-soft); font-size: .8rem; }
.chat-question footer { display: flex; align-items: center; justify-content: flex-end; gap: .6rem; }
.chat-question button { min-height: 1.5rem; padding: 0 .3rem; border-color: transparent; background: none; font-size: .8rem; }
.chat-answer > header {
  position: sticky; top: -1rem; min-height: 2.75rem; padding-block: .4rem; background: inherit;
}
.chat-answer > :is(header, footer) { display: flex; flex-wrap: wrap; align-items: center; gap: .3rem .6rem; color: var(--chat-soft); font-size: .9rem; }
.chat-answer > :is(header, footer)[data-failed] { color: var(--chat-warning); }
.chat-answer > :is(header, footer) button { font-size: .85rem; }
.chat-answer > header > button { margin-inline-start: auto; }
.chat-answer > footer { margin-top: .4rem; }
.chat-answer > :last-child:not(header) { padding-bottom: .6rem; }
.chat-versions { display: flex; align-items: center; gap: .3rem; margin: 0; padding: 0; border: 0; min-width: 0; white-space: nowrap; font-variant-numeric: tabular-nums; }
.chat-versions button { min-width: 2rem; padding: 0 0 .2rem; border-color: transparent; background: none; line-height: 1; }
.chat .chat-versions button { font-size: 1.3rem; }
.chat-badge { padding-inline: .5rem; border: 1px solid var(--chat-line); border-radius: 1rem; font-size: .8rem; white-space: nowrap; }
.chat-note { margin: .7rem 0 0; color: var(--chat-soft); font-size: .9rem; }
.chat-turn[data-state="sending"] .chat-question { opacity: .7; }

.chat-text :is(p, li, h1, h2, h3, h4, h5, h6, td, th) { unicode-bidi: plaintext; text-align: start; }
.chat-text :is(p, ul, ol, pre, blockquote, .chat-table) { margin: 0 0 .7rem; }
.chat-text :is(h1, h2, h3, h4, h5, h6) { margin: .9rem 0 .4rem; font-size: 1.05rem; font-weight: bold; line-height: 1.3; }
.chat-text > :first-child { margin-top: 0; }
.chat-text > :last-child { margin-bottom: .3rem; }
.chat-text :is(ul, ol) { padding-inline-start: 1.5rem; }
.chat-text ul { list-style: disc; }
.chat-text :is(ul, ol) ul { list-style: circle; }
.chat-text :is(ul, ol) :is(ul, ol) ul { list-style: square; }
.chat-text ol { list-style: decimal; }
.chat-text a { color: var(--chat-accent); text-decoration: underline; }
.chat-text hr { margin: .5rem 0; border: 1px inset; color: gray; }
.chat-text :is(sub, sup) { position: relative; font-size: 75%; line-height: 0; vertical-align: baseline; }
.chat-text sup { top: -.5em; }
.chat-text sub { bottom: -.25em; }
.chat-text input { margin: 0 .4rem 0 0; font: inherit; color: inherit; background: none; border-radius: 0; }
.chat-text blockquote { padding-inline-start: .8rem; border-inline-start: 3px solid var(--chat-line); color: var(--chat-soft); }
.chat-text code { font: .9em ui-monospace, monospace; background: var(--chat-ground); border-radius: .3rem; padding: .1em .3em; }
.chat-text pre { font: .8125rem/1.5 ui-monospace, monospace; overflow-x: auto; padding: .7rem; background: var(--chat-ground); border-radius: .6rem; direction: ltr; }
.chat-text pre code { padding: 0; background: none; }
.chat-table { overflow-x: auto; }
.chat-table table { border-collapse: collapse; }
.chat-table :is(td, th) { border: 1px solid var(--chat-line); padding: .25rem .6rem; overflow-wrap: normal; }
.chat-place { color: var(--chat-soft); font-size: .9em; }
.chat-image { color: var(--chat-soft); font-style: italic; }

.chat-status { display: flex; flex-wrap: wrap; align-items: center; gap: .6rem; justify-content: flex-end; margin: 0; color: var(--chat-soft); font-size: .9rem; }
.chat-status[data-failed] { color: var(--chat-warning); }
.chat-typing { display: inline-flex; gap: .25rem; }
.chat-typing i { width: .4rem; height: .4rem; border-radius: 50%; background: currentColor; animation: chat-typing 1.2s infinite; }
.chat-typing i:nth-child(2) { animation-delay: .2s; }
.chat-typing i:nth-child(3) { animation-delay: .4s; }
@keyframes chat-typing { 0%, 60%, 100% { opacity: .3; } 30% { opacity: 1; } }

.chat-empty { text-align: center; margin-block: auto; padding: 1rem 0; }
.chat-empty h3 { margin: 0; font-weight: bold; font-size: 1.15rem; }
.chat-empty p { text-wrap: balance; color: var(--chat-soft); margin: .3rem 0 1rem; }
.chat-empty :is(li, button) { max-width: 100%; overflow-wrap: anywhere; }
.chat-empty ul { list-style: none; margin: 0; padding: 0; display: flex; flex-wrap: wrap; gap: .5rem; justify-content: center; }

.chat-notice { margin: 0; padding: .4rem 1rem; text-align: center; font-size: .9rem; color: var(--chat-warning); border-top: 1px solid var(--chat-line); background: var(--chat-surface); }
.chat-left { margin: 0; padding: .4rem 1rem 0; text-align: center; font-size: .85rem; color: var(--chat-soft); border-top: 1px solid var(--chat-line); background: var(--chat-surface); }
.chat-left + .chat-composer { border-top: 0; }
.chat-late { color: var(--chat-soft); animation: chat-late 1.5s steps(1); }
@keyframes chat-late { from { visibility: hidden; } }
.chat-archived { display: flex; align-items: center; justify-content: center; gap: 1rem; padding: .75rem 1rem; border-top: 1px solid var(--chat-line); background: var(--chat-surface); }
.chat-archived p { margin: 0; color: var(--chat-soft); }

.chat-composer { display: grid; grid-template-columns: minmax(0, 1fr) auto; align-items: end; gap: .5rem; padding: .75rem 1rem; border-top: 1px solid var(--chat-line); background: var(--chat-surface); }
.chat-composer textarea {
  display: block; width: 100%; max-height: min(11rem, 35dvh); resize: none; font: inherit; field-sizing: content;
  padding: .55rem .75rem; border: 1px solid var(--chat-soft); border-radius: .6rem; background: var(--chat-surface); color: inherit;
}
.chat-composer textarea::placeholder { color: var(--chat-soft); opacity: 1; }
.chat .chat-composer button { font-size: 1rem; padding: .55rem 1.1rem; border-color: transparent; background: var(--chat-accent); color: var(--chat-on-accent); }
.chat-editor { grid-template-columns: minmax(0, 1fr) auto auto; padding: .5rem; border: 1px solid var(--chat-line); border-radius: 1rem; }
.chat-editor label { grid-column: 1 / -1; }
.chat-editor button:first-of-type { grid-column: 2; }
.chat .chat-editor button { font-size: .9rem; padding: .3rem .75rem; }
.chat .chat-editor button[type="button"] { border-color: var(--chat-line); background: var(--chat-surface); color: var(--chat-accent); }
.chat-count { grid-column: 1 / -1; margin: 0; font-size: .85rem; color: var(--chat-soft); }
.chat-count[role="alert"] { color: var(--chat-warning); }

@media (forced-colors: active) {
  .chat-question { border: 1px solid; }
  .chat-typing i { background: CanvasText; forced-color-adjust: none; }
}
@media (prefers-reduced-motion: reduce) { .chat-typing i { animation: none; } }
`;
