// An answer is Markdown by a model: nothing in it is to be trusted, and it is parsed while it grows.

import { screen } from "@testing-library/react";
import { beforeEach, expect, test, vi } from "vitest";
import { drawn, turnOf } from "./chat";

const parsed = vi.hoisted((): string[] => []);

// The real one, which tells what it parses.
vi.mock("react-markdown", async (original) => {
  const { default: Markdown } = await original<typeof import("react-markdown")>();
  return {
    default: (props: Parameters<typeof Markdown>[0]) => {
      parsed.push(props.children ?? "");
      return Markdown(props);
    },
  };
});

beforeEach(() => {
  parsed.length = 0;
});

const answer = () => screen.getByRole("article", { name: "Assistant" }).querySelector<HTMLElement>(":scope > div")!;

async function shown(text: string): Promise<HTMLElement> {
  await drawn(turnOf(1, "writing", { text }));
  return answer();
}

test.each([
  "[click](javascript:alert(1))",
  "[click](JaVaScRiPt:alert(1))",
  "[click](data:text/html,<script>alert(1)</script>)",
  "[click](vbscript:x)",
  "<javascript:alert(1)>",
  "[click](/logout)",
  "[click](?x=1)",
  "[click](page)",
  "[click](#chat)",
  "[click]()",
  "[click](//evil.test/)",
  "[click](https://instagram.com@evil.test/)",
  "[click](https://:x@evil.test)",
  "[click](https://@evil.test)",
  "[click](https:evil.test)",
  "[click](https://)",
  "[click](ftp://evil.test)",
  "[click](xmpp:a@evil.test)",
  "[click](mailto:)",
  "[click](mailto://evil.test/a)",
])("%s leads nowhere, and stays text", async (text) => {
  const found = await shown(text);
  expect(found.querySelector("a")).toBeNull();
  expect(found.textContent).toMatch(/click|alert/);
});

test.each([
  ["[the guide](https://good.test/a)", "the guide (good.test)"],
  ["[**the** `guide`](HTTPS://good.test/a)", "the guide (good.test)"],
  ["[https://bank.test/](https://evil.test/)", "https://bank.test/ (evil.test)"],
  ["[evil.test.bank.test](https://evil.test/)", "evil.test.bank.test (evil.test)"],
  ["[evil.test@bank.test](https://evil.test/)", "evil.test@bank.test (evil.test)"],
  ["[evil.test](https://evil.test:8443/)", "evil.test (evil.test:8443)"],
  ["[bücher.test](https://bücher.test)", "bücher.test (xn--bcher-kva.test)"],
  ["[write to us](mailto:a@good.test?subject=x)", "write to us (a@good.test)"],
  ["x[](https://good.test/)", "x (good.test)"],
  [
    "https://good.test/a, [Good.test](https://good.test/b) and a@good.test",
    "https://good.test/a, Good.test and a@good.test",
  ],
  ["www.good.test/a", "www.good.test/a"],
])("%s tells where it leads, unless its text does", async (text, told) => {
  const found = await shown(text);
  expect(found.querySelector("a")).not.toBeNull();
  expect(found.textContent).toBe(told);
});

test("a link opens elsewhere, and gains nothing from us", async () => {
  await shown("See [the guide](https://example.test/guide) or https://example.test/bare");
  for (const link of screen.getAllByRole("link")) {
    expect(link.getAttribute("target")).toBe("_blank");
    expect(link.getAttribute("rel")).toBe("noopener noreferrer nofollow ugc");
  }
  expect(screen.getAllByRole("link").map((link) => link.getAttribute("href"))).toEqual([
    "https://example.test/guide",
    "https://example.test/bare",
  ]);
});

test("an image is its words, and nothing is fetched", async () => {
  const found = await shown("![a chart](https://tracker.test/x.png) ![](https://tracker.test/y.png)");
  expect(found.querySelector("img")).toBeNull();
  expect(found.textContent).toBe("[image: a chart] [image]");
  expect(found.innerHTML).not.toContain("tracker.test");
});

test.each([
  "<script>alert(1)</script>",
  "<img src=x onerror=alert(1)>",
  "Text <b onclick='x'>bold</b>",
  "<iframe src='//x'></iframe>",
])("HTML is text: %s", async (text) => {
  const found = await shown(text);
  expect(found.querySelector("script, img, b, iframe")).toBeNull();
  expect(found.textContent).toContain(text.slice(text.indexOf("<"), text.indexOf("<") + 7));
});

test("headings, lists, tables and code are what they are", async () => {
  const found = await shown(
    "## Head\n\n- one\n- two\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```js\nx()\n```\n\n~~gone~~",
  );
  expect([...found.querySelectorAll("h2, li, th, td, pre code, del")].map(({ textContent }) => textContent)).toEqual([
    "Head",
    "one",
    "two",
    "a",
    "b",
    "1",
    "2",
    "x()\n",
    "gone",
  ]);
});

test("while a long text streams, only its last piece is parsed again", async () => {
  const paragraphs = Array.from({ length: 50 }, (_, index) => `Paragraph ${index} of a long answer.`);
  const { chat } = await drawn(turnOf(1, "writing", { text: paragraphs.join("\n\n") }));
  parsed.length = 0;
  for (const text of ["One", "One more", "One more word"]) {
    await chat.shows(turnOf(1, "writing", { text: [...paragraphs, text].join("\n\n") }));
  }
  expect(parsed.filter((piece) => piece.startsWith("One"))).toEqual(["One", "One more", "One more word"]);
  expect(parsed.length).toBeLessThanOrEqual(4); // the last paragraph once more: an empty line now follows it
});

const FENCES = "Before\n\n```\none\n\ntwo\n```\n\nAfter";
const NESTED = "Before\n\n````md\n```js\na\n\nb\n```\n\nstill\n````\n\nAfter";
const INFO = "```md\nx\n```js\n\ny\n```\n\nAfter"; // a fence with a language does not close another
const TILDES = "~~~\n```\n\nx\n~~~\n\nAfter";
const LIST = "1. one\n\n   more of one\n\n2. two\n\n- three\n\n* four";
const IN_LIST = "- ```\n  a\n\n  b\n  ```\n\nAfter\n\n```\nx\n\ny\n```\n\nEnd";
const OPEN = "Text\n\n```py\nprint(1)\n\nprint(2)";

test.each([
  ["empty lines in a fence", FENCES],
  ["a fence in a longer fence", NESTED],
  ["a fence with a language in a fence", INFO],
  ["fences of tildes", TILDES],
  ["a fence that begins in a list", IN_LIST],
  ["a list with empty lines", LIST],
  ["a fence that is not closed yet", OPEN],
  ["indented code", "Text\n\n    one\n\n    two\n\nAfter"],
  ["a quote", "> one\n\n> two\n\nAfter"],
  ["a table, then text", "| a |\n|---|\n| 1 |\n\nAfter"],
])("cut into pieces it looks as it does whole: %s", async (_, text) => {
  const { default: Markdown } = await vi.importActual<typeof import("react-markdown")>("react-markdown");
  const { default: gfm } = await import("remark-gfm");
  const { renderToStaticMarkup } = await import("react-dom/server");
  const whole = renderToStaticMarkup(<Markdown remarkPlugins={[gfm]}>{text}</Markdown>);
  const found = await shown(text);
  const tags = (html: string) => html.replace(/<section[^>]*>|<\/section>/g, "").replace(/>\s+</g, "><");
  expect(tags(found.innerHTML)).toBe(tags(whole));
});

test("a footnote and a link find what they name, wherever it stands", async () => {
  const found = await shown(
    "It holds[^1], see [the guide][g].\n\nMore.\n\n[^1]: A study.\n\n[g]: https://example.test/",
  );
  expect(found.textContent).toContain("A study.");
  expect(found.textContent).not.toContain("[");
  expect([...found.querySelectorAll("a")].map(({ href }) => href)).toEqual(["https://example.test/"]);
});
