// Markdown cut into pieces that can be parsed one by one.

const FENCE = /^ {0,3}(?:(?:[-*+]|\d+[.)]|>)\s+)*(`{3,}(?=[^`]*$)|~{3,})/;
const FENCE_END = /^[\s>]*(`{3,}|~{3,})\s*$/;
const CONTINUES = /^(\s|[-*+] |\d+[.)] )/; // a list may go on after an empty line

// Of a footnote or a link, which may be named anywhere in the text.
const DEFINITION = /^ {0,3}\[[^\]]+\]:/m;

/** Cut at empty lines where a new block begins for certain: outside of fences and lists. */
export function piecesOf(text: string): string[] {
  if (DEFINITION.test(text)) return [text];
  const pieces: string[] = [];
  let piece: string[] = [];
  let fence = "";
  for (const line of text.split("\n")) {
    const isFresh = piece.at(-1)?.trim() === "" && line !== "" && !fence && !CONTINUES.test(line);
    if (isFresh) {
      pieces.push(piece.join("\n"));
      piece = [];
    }
    fence = fenceAfter(line, fence);
    piece.push(line);
  }
  pieces.push(piece.join("\n"));
  return pieces;
}

/** The fence that is open after this line. One is closed by a bare one that is at least as long. */
function fenceAfter(line: string, open: string): string {
  if (!open) return FENCE.exec(line)?.[1] ?? "";
  return FENCE_END.exec(line)?.[1].startsWith(open) ? "" : open;
}
