// The list of analysed posts.

import { Heading } from "./Heading";
import { useAnalyses } from "./project";
import { Trouble } from "./Trouble";
import { creatorOf } from "./words";

export function Posts({ current }: { current?: string }) {
  const { analyses, hasMore, isReadingMore, readMore, error, mutate } = useAnalyses();
  const trouble = error && <Trouble error={error} onRetry={() => mutate()} />;
  return (
    <section aria-labelledby="posts-title">
      <Heading id="posts-title" after={current}>
        Your posts
      </Heading>
      {!isReadingMore && trouble}
      {!analyses && !error && <p className="hint">Loading…</p>}
      {analyses?.length === 0 && <p className="hint">There is no analysed post yet.</p>}
      <ul>
        {analyses?.map(({ id, posts: post }) => (
          <li key={id}>
            <a href={`#/posts/${id}`} aria-current={id === current ? "page" : undefined}>
              <strong>{creatorOf(post)}</strong>
              <span className="hint">{post.platform}</span>
              <span className="hint clip">{post.caption?.trim() || post.url}</span>
            </a>
          </li>
        ))}
      </ul>
      {isReadingMore && (trouble ?? <p className="hint">Loading…</p>)}
      {hasMore && !isReadingMore && (
        <button type="button" className="quiet" onClick={readMore}>
          Show more
        </button>
      )}
    </section>
  );
}
