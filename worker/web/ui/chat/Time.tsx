// When something was.

import { useEffect, useState } from "react";
import { timeAgo } from "./times";

/** When it was, in words; exactly, when pointed at. */
export function Time({ of }: { of: string }) {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 30_000);
    return () => clearInterval(timer);
  }, []);
  return (
    <time dateTime={of} title={new Date(of).toLocaleString(undefined, { dateStyle: "full", timeStyle: "medium" })}>
      {timeAgo(of, now)}
    </time>
  );
}
