// What jsdom lacks of a browser, as far as the chat asks for it. And no complaint of React's goes unseen.

import { cleanup } from "@testing-library/react";
import { afterEach, beforeEach, expect, type MockInstance, vi } from "vitest";

class NoResizes {
  observe() {}
  disconnect() {}
}

Object.assign(globalThis, { ResizeObserver: NoResizes });
Object.assign(Element.prototype, { scrollTo() {} });
Object.assign(CSSStyleSheet.prototype, { replaceSync() {} });
Object.assign(document, { adoptedStyleSheets: [] });
Object.assign(globalThis, { matchMedia: () => ({ matches: false }) });

let complaints: MockInstance<typeof console.error>;

beforeEach(() => {
  complaints = vi.spyOn(console, "error");
  vi.spyOn(Math, "random").mockReturnValue(0.5); // each pause is as long as it is named
});

afterEach(() => {
  cleanup();
  sessionStorage.clear();
  expect(complaints).not.toHaveBeenCalled();
});
