// A list that could not be read.

export function Trouble({ onRetry }: { onRetry: () => void }) {
  return (
    <p className="warning" role="alert">
      This could not be loaded.{" "}
      <button type="button" className="quiet" onClick={onRetry}>
        Try again
      </button>
    </p>
  );
}
