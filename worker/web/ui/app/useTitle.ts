// What the tab is called: with several of them open, each by what it shows.

import { useEffect } from "react";

const APP = "PostBro Chat";

export function useTitle(title: string | undefined): void {
  useEffect(() => {
    if (title) document.title = `${title} – ${APP}`;
    return () => {
      document.title = APP;
    };
  }, [title]);
}
