// Questions worth asking, drawn from an analysis.

interface Analysed {
  frameworks: unknown;
  key_insights: unknown;
  posts: { metrics: unknown } | null;
}

export function questionsAbout(analysis: Analysed): string[] {
  const [framework] = asList(analysis.frameworks);
  const metrics = Object.entries((analysis.posts?.metrics as object | undefined) ?? {});
  const figure = metrics.find(([, value]) => typeof value === "number")?.[0];
  const name = typeof framework === "object" ? (framework as { name?: unknown } | null)?.name : framework;
  return [
    "How can I improve this post?",
    ...(typeof name === "string" ? [`How does the ${name} work here?`] : []),
    ...(figure ? [`How many ${figure.replaceAll("_", " ")} did it get, and why?`] : []),
    ...(asList(analysis.key_insights).length > 0 ? ["What are the key insights?"] : []),
  ];
}

function asList(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}
