// One post with its analysis, as a person would want to read it.

import { Heading } from "./Heading";
import { Metrics } from "./Metrics";
import { type Analysis, useAnalysis, useChatAbout } from "./project";
import { Trouble } from "./Trouble";
import { useTitle } from "./useTitle";
import { pointsOf, titleOf, wordsOf } from "./words";

export function AnalysisPage({ analysisId, hasChatOpen }: { analysisId: string; hasChatOpen: boolean }) {
  const { analysis, error, mutate } = useAnalysis(analysisId);
  const chat = useChatAbout(analysisId);
  useTitle(analysis ? titleOf(analysis.posts) : undefined);
  return (
    <section className="analysis" aria-label="The post and its analysis">
      <a className="back" href="#/">
        ← All posts
      </a>
      {error && !analysis && <Trouble error={error} onRetry={() => mutate()} />}
      {analysis === undefined && !error && <p className="hint">Loading…</p>}
      {analysis === null && <p className="hint">There is no such post. It may have been deleted.</p>}
      {analysis && <Report analysis={analysis} hasChatOpen={hasChatOpen} />}
      {analysis && !hasChatOpen && (
        <a className="button" href={`#/posts/${analysisId}/chat`}>
          {chat?.message_count ? "Go on with the chat" : "Ask a question"}
        </a>
      )}
    </section>
  );
}

function Report({ analysis, hasChatOpen }: { analysis: Analysis; hasChatOpen: boolean }) {
  const { posts: post } = analysis;
  const frameworks = Array.isArray(analysis.frameworks) ? analysis.frameworks.filter(wordsOf) : [];
  return (
    <article>
      <Heading after={hasChatOpen} isPassed={hasChatOpen}>
        {titleOf(post)}
      </Heading>
      <p className="hint">
        {post.posted_at && (
          <time dateTime={post.posted_at}>
            {new Date(post.posted_at).toLocaleDateString(undefined, { dateStyle: "long" })}
          </time>
        )}{" "}
        {/^https?:/.test(post.url) && (
          <a href={post.url} target="_blank" rel="noopener noreferrer">
            Open the post
          </a>
        )}
      </p>
      {post.caption && (
        <p className="caption" dir="auto">
          {post.caption}
        </p>
      )}
      <Metrics metrics={post.metrics} />
      <Points title="Takeaways" of={analysis.quick_takeaways} />
      <Words title="How far it travelled" of={analysis.viral_status} />
      {frameworks.length > 0 && (
        <>
          <h3>Frameworks</h3>
          <dl className="frameworks">{frameworks.map((framework) => asFramework(framework))}</dl>
        </>
      )}
      <Points title="Key insights" of={analysis.key_insights} />
      <Words title="The creator" of={analysis.creator_context} />
    </article>
  );
}

function Points({ title, of }: { title: string; of: unknown }) {
  const points = pointsOf(of);
  if (points.length === 0) return null;
  return (
    <>
      <h3>{title}</h3>
      <ul>
        {points.map((point) => (
          <li key={point} dir="auto">
            {point}
          </li>
        ))}
      </ul>
    </>
  );
}

function Words({ title, of }: { title: string; of: string | null }) {
  if (!of?.trim()) return null;
  return (
    <>
      <h3>{title}</h3>
      <p dir="auto">{of}</p>
    </>
  );
}

function asFramework(framework: unknown) {
  const name = wordsOf((framework as { name?: unknown }).name) || wordsOf(framework);
  const explanation = wordsOf((framework as { explanation?: unknown }).explanation);
  return (
    <div key={name}>
      <dt>{name}</dt>
      {explanation && <dd dir="auto">{explanation}</dd>}
    </div>
  );
}
