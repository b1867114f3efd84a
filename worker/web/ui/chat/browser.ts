// What the browser tells of itself, its screen and its keys.

import { useSyncExternalStore } from "react";

export function on(target: EventTarget, event: string, listener: (event: Event) => void): () => void {
  target.addEventListener(event, listener);
  return () => target.removeEventListener(event, listener);
}

export function useOnline(): boolean {
  return useSyncExternalStore(
    watchOnline,
    () => navigator.onLine,
    () => true,
  );
}

function watchOnline(changed: () => void): () => void {
  const stops = [on(window, "online", changed), on(window, "offline", changed)];
  return () => stops.forEach((stop) => void stop());
}

// Safari tells of the Enter that ends a composition after the composition, with this code of old.
export function isComposing(event: globalThis.KeyboardEvent): boolean {
  return event.isComposing || event.keyCode === 229;
}

/** By fingers, and by nothing else. */
export function isTouched(): boolean {
  return matchMedia("(pointer: coarse)").matches && !matchMedia("(any-pointer: fine)").matches;
}

export function calm(): boolean {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
}
