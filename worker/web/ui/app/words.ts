// What an analysis holds, in words: models and people wrote it, and any of it may be missing or of another kind.

/** "" where there is nothing to be read. */
export function wordsOf(value: unknown): string {
  if (value === null || value === undefined) return "";
  if (typeof value !== "object") return String(value).trim();
  const { text, name } = value as { text?: unknown; name?: unknown };
  return wordsOf(text) || wordsOf(name) || JSON.stringify(value);
}

/** All that can be read of a list, each once. */
export function pointsOf(list: unknown): string[] {
  if (!Array.isArray(list)) return [];
  return [...new Set(list.map(wordsOf).filter(Boolean))];
}

/** Whoever made a post. */
export function creatorOf({ creator }: { creator: string | null }): string {
  return creator?.trim() || "A post";
}

export function titleOf(post: { creator: string | null; platform: string }): string {
  return `${creatorOf(post)} on ${post.platform}`;
}
