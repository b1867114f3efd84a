// The list that the turns are in, and how it scrolls.

import { type ReactNode, useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";
import { calm } from "./browser";

const AT_THE_END = 8; // pixels
const FAR = 120; // pixels: from here on there is a way back

interface ScrollerProps {
  lastSent: string | null;
  firstTurn: string | undefined;
  children: ReactNode;
}

/** Follows the text, lets go when the reader scrolls up, and stays in place when earlier turns come in above. */
export function Scroller({ lastSent, firstTurn, children }: ScrollerProps) {
  const box = useRef<HTMLElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const place = useRef({ follows: true, top: 0, height: 0 });
  const [isAway, setIsAway] = useState(false);

  const toEnd = useCallback((behavior: ScrollBehavior = "instant") => {
    place.current.follows = true;
    box.current?.scrollTo({ top: box.current.scrollHeight, behavior });
  }, []);

  useEffect(() => {
    const watch = new ResizeObserver(() => {
      if (place.current.follows) toEnd();
      place.current.height = box.current?.scrollHeight ?? 0;
    });
    for (const element of [box.current, content.current]) if (element) watch.observe(element);
    return () => watch.disconnect();
  }, [toEnd]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: another first turn means that earlier ones came in above
  useLayoutEffect(() => {
    const element = box.current;
    if (!element || place.current.follows) return;
    element.scrollTop += element.scrollHeight - place.current.height;
    place.current.height = element.scrollHeight;
  }, [firstTurn]);

  useEffect(() => {
    if (lastSent) toEnd();
  }, [lastSent, toEnd]);

  const goToEnd = () => {
    box.current?.focus({ preventScroll: true });
    setIsAway(false);
    toEnd(calm() ? "instant" : "smooth");
  };

  const look = () => {
    const element = box.current;
    if (!element) return;
    const left = element.scrollHeight - element.scrollTop - element.clientHeight;
    const isUpward = element.scrollTop < place.current.top;
    place.current.top = element.scrollTop;
    if (left < AT_THE_END) place.current.follows = true;
    else if (isUpward) place.current.follows = false;
    setIsAway(!place.current.follows && left > FAR);
  };

  return (
    <div className="chat-scroller">
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it is scrolled by keyboard, too */}
      <section className="chat-scroll" ref={box} onScroll={look} tabIndex={0} aria-label="Conversation">
        <div className="chat-content" ref={content}>
          {children}
        </div>
      </section>
      {isAway && (
        <button type="button" className="chat-newest" onClick={goToEnd}>
          ↓ Newest
        </button>
      )}
    </div>
  );
}

export function Earlier({ onRead }: { onRead: () => Promise<void> }) {
  const [isReading, setIsReading] = useState(false);
  const read = async () => {
    if (isReading) return;
    setIsReading(true);
    await onRead();
    setIsReading(false);
  };
  return (
    <button type="button" className="chat-earlier" aria-disabled={isReading} onClick={read}>
      {isReading ? "Loading…" : "Show earlier messages"}
    </button>
  );
}
