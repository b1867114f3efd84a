// The heading of a pane. It takes the focus that went away with another pane, or with a button: for the keyboard and
// the screen reader, the page would else begin at its top again.

import { type ReactNode, useEffect, useRef } from "react";

interface Props {
  id?: string;
  /** It looks at each change of this whether the focus is gone. */
  after?: unknown;
  /** Whether another pane, which is on its way, is to have it. */
  isPassed?: boolean;
  children: ReactNode;
}

export function Heading({ id, after, isPassed = false, children }: Props) {
  const heading = useRef<HTMLHeadingElement>(null);
  // biome-ignore lint/correctness/useExhaustiveDependencies: `after` is when, and not what
  useEffect(() => {
    if (!isPassed && isGone(focused) && heading.current?.checkVisibility()) heading.current.focus();
  }, [after]);
  return (
    <h2 id={id} ref={heading} tabIndex={-1}>
      {children}
    </h2>
  );
}

// The last one in the panes that had the focus. The browser itself forgets an element that it hides.
let focused: Element | null = null;

document.addEventListener("focusin", ({ target }) => {
  focused = target instanceof Element && target.closest(".shell main") ? target : null;
});

function isGone(element: Element | null): boolean {
  return element !== null && !element.checkVisibility();
}
