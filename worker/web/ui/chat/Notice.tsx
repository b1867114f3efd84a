// What is said of the chat as a whole: no connection, a problem, a deletion.

import { useOnline } from "./browser";
import type { Talk } from "./useChat";

export function Notice({ talk }: { talk: Talk }) {
  const isOnline = useOnline();
  if (talk.problem && isOnline) {
    return (
      <p className="chat-notice" role="alert">
        {talk.problem.message}
      </p>
    );
  }
  if (!isOnline) return <p className="chat-notice">You are offline. What you send is kept until you are back.</p>;
  if (talk.isPostGone)
    return <p className="chat-notice">This post was deleted. It cannot be asked about any more.</p>;
  if (talk.wasDeleted) return <p className="chat-notice">This chat was deleted. The next question begins another.</p>;
  if (!talk.isLive) return <p className="chat-notice chat-late">Connecting… Answers may come in with a delay.</p>;
  return null;
}
