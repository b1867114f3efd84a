// Text to nodes: paragraphs, lists and **bold**, and nothing else. Never through HTML: an answer is not to be trusted.

const BULLET = /^\s*[-*•]\s+(.*)$/;
const NUMBER = /^\s*(\d+)[.)]\s+(.*)$/;

export function formatted(text) {
  const root = document.createDocumentFragment();
  let block = null; // what the next line may join
  for (const line of text.split("\n")) {
    const number = line.match(NUMBER);
    const item = number ? number[2] : line.match(BULLET)?.[1];
    if (item !== undefined) {
      block = ofKind(root, block, number ? "ol" : "ul", number?.[1]);
      block.append(withBold(document.createElement("li"), item));
    } else if (line.trim() === "") {
      block = null;
    } else {
      const isNew = block?.tagName !== "P";
      block = ofKind(root, block, "p");
      withBold(block, isNew ? line : `\n${line}`);
    }
  }
  return root;
}

function ofKind(root, block, tag, start) {
  if (block?.tagName === tag.toUpperCase()) return block;
  const fresh = document.createElement(tag);
  if (start && start !== "1") fresh.start = Number(start);
  root.append(fresh);
  return fresh;
}

function withBold(parent, text) {
  text.split(/\*\*([^*]+)\*\*/).forEach((part, index) => {
    if (index % 2 === 0) parent.append(part);
    else parent.append(Object.assign(document.createElement("strong"), { textContent: part }));
  });
  return parent;
}
