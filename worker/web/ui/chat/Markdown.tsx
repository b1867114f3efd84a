// An answer's text.

import { memo } from "react";
import ReactMarkdown, { type Components } from "react-markdown";
import remarkGfm from "remark-gfm";
import { AnswerLink } from "./AnswerLink";
import { piecesOf } from "./pieces";

/** Markdown, piece by piece: while it streams, only the last piece is parsed again. HTML is shown as text. */
export function Markdown({ text }: { text: string }) {
  return piecesOf(text).map((piece, index) => (
    // biome-ignore lint/suspicious/noArrayIndexKey: a text only grows at its end
    <Piece key={index} text={piece} />
  ));
}

const Piece = memo(function Piece({ text }: { text: string }) {
  return (
    <ReactMarkdown remarkPlugins={PLUGINS} components={COMPONENTS}>
      {text}
    </ReactMarkdown>
  );
});

const PLUGINS = [remarkGfm];

const COMPONENTS: Components = {
  a: AnswerLink,
  // It would tell its host who reads.
  img: ({ alt }) => <span className="chat-image">[image{alt ? `: ${alt}` : ""}]</span>,
  table: ({ children }) => (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a wide table is scrolled by keyboard, too
    <section className="chat-table" tabIndex={0} aria-label="Table">
      <table>{children}</table>
    </section>
  ),
};
