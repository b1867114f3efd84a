// State that outlives a reload.

import { useEffect, useState } from "react";

/** State that outlives a reload of the page, but not its tab. */
export function useStored<Value>(key: string, initial: Value) {
  const [value, setValue] = useState<Value>(() => recall(key) ?? initial);
  useEffect(() => {
    const isEmpty = value === initial || (Array.isArray(value) && value.length === 0);
    remember(key, isEmpty ? null : JSON.stringify(value));
  }, [key, value, initial]);
  return [value, setValue] as const;
}

// A browser may refuse its storage, or be out of room: then state lives as long as its page.
function recall(key: string) {
  try {
    return JSON.parse(sessionStorage.getItem(key) ?? "null");
  } catch {
    return null;
  }
}

function remember(key: string, value: string | null): void {
  try {
    if (value === null) sessionStorage.removeItem(key);
    else sessionStorage.setItem(key, value);
  } catch {}
}
