// The way between the versions of an answer.

export function Versions({ shown, of, onShow }: { shown: number; of: number; onShow: (version: number) => void }) {
  if (of === 1) return null;
  // A button that is at its end stays in the order of Tab: whoever pressed it last is still there.
  const turn = (label: string, sign: string, version: number) => {
    const isOver = version < 0 || version >= of;
    return (
      <button type="button" aria-label={label} aria-disabled={isOver} onClick={() => isOver || onShow(version)}>
        {sign}
      </button>
    );
  };
  return (
    <fieldset className="chat-versions" aria-label="Versions of this answer">
      {turn("Previous version", "‹", shown - 1)}
      <span aria-live="polite">
        {shown + 1} of {of}
      </span>
      {turn("Next version", "›", shown + 1)}
    </fieldset>
  );
}
