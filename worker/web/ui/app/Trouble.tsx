// A list that could not be read, and why.

import { asChatError } from "../chat/errors";

export function Trouble({ error, onRetry }: { error: unknown; onRetry: () => void }) {
  return (
    <p className="warning" role="alert">
      This could not be loaded. {asChatError(error).message}{" "}
      <button type="button" className="quiet" onClick={onRetry}>
        Try again
      </button>
    </p>
  );
}
