import { resolve } from "node:path";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

export default defineConfig({
  root: import.meta.dirname,
  plugins: [react()],
  build: {
    outDir: "../dist",
    emptyOutDir: true,
    target: "es2022",
    // The page's Content-Security-Policy allows no data: scripts and nothing inline.
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
  },
  test: {
    root: resolve(import.meta.dirname, "../../.."),
    restoreMocks: true,
    testTimeout: 20_000, // milliseconds: for a machine with other things to do
    projects: [
      // The client needs no document, and making one takes most of a second for each file.
      { extends: true, test: { name: "chat", include: ["tests/unit/ui/chat/*.test.ts"], environment: "node" } },
      {
        extends: true,
        test: {
          name: "interface",
          include: ["tests/unit/ui/interface/*.test.tsx"],
          environment: "jsdom",
          setupFiles: ["tests/unit/ui/interface/browser.ts"],
        },
      },
    ],
  },
});
