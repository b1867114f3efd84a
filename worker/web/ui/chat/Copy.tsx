// A button that copies an answer.

import { useState } from "react";

export function Copy({ text }: { text: string }) {
  const [label, setLabel] = useState("Copy");
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setLabel("Copied");
    } catch {
      setLabel("Not copied"); // the browser refuses, or the page came without TLS
    }
    setTimeout(() => setLabel("Copy"), 2_000);
  };
  return (
    <button
      type="button"
      onClick={copy}
      aria-label={label === "Copy" ? "Copy this answer" : label}
      aria-live="polite"
    >
      {label}
    </button>
  );
}
