// What jsdom lacks of a browser, as far as the chat asks for it.

import { cleanup } from "@testing-library/react";
import { afterEach } from "vitest";

class NoResizes {
  observe() {}
  disconnect() {}
}

Object.assign(globalThis, { ResizeObserver: NoResizes });
Object.assign(Element.prototype, { scrollTo() {} });
Object.assign(CSSStyleSheet.prototype, { replaceSync() {} });
Object.assign(document, { adoptedStyleSheets: [] });
Object.assign(globalThis, { matchMedia: () => ({ matches: false }) });

afterEach(() => {
  cleanup();
  sessionStorage.clear();
});
