// What was drawn last, for callbacks that outlive a drawing.

import { type RefObject, useCallback, useLayoutEffect, useRef } from "react";

export function useLatest<Value>(value: Value): RefObject<Value> {
  const latest = useRef(value);
  useLayoutEffect(() => {
    latest.current = value;
  });
  return latest;
}

/** The same function at each drawing, whatever the callback is by then: a new one is no reason to subscribe again. */
export function useStable(callback: () => void): () => void {
  const latest = useLatest(callback);
  return useCallback(() => latest.current(), [latest]);
}
