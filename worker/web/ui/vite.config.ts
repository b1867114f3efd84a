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
    include: ["tests/unit/ui/**/*.test.{ts,tsx}"],
    environment: "jsdom",
    setupFiles: ["tests/unit/ui/setup.ts"],
    restoreMocks: true,
  },
});
