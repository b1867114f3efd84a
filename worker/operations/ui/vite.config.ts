import { resolve } from "node:path";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

export default defineConfig({
  root: import.meta.dirname,
  base: "/ops/",
  plugins: [react()],
  build: {
    outDir: "../dist",
    emptyOutDir: true,
    target: "es2022",
    // The Content-Security-Policy allows no data: and nothing inline.
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    rollupOptions: {
      input: ["index.html", "sign-in.html"].map((name) => resolve(import.meta.dirname, name)),
    },
  },
  test: {
    root: resolve(import.meta.dirname, "../../.."),
    include: ["tests/unit/ops/**/*.test.ts"],
  },
});
