// What a request to this machine says of itself: by which name it was sent, and for which path.

const NAMES = new Set((process.env.LOCAL_NAMES ?? "127.0.0.1,localhost").split(","));

/** Whether it was sent to a name of this machine. Another site may point its own here, and be believed by a browser. */
export function isForThisMachine(request) {
  const address = `http://${request.headers.host ?? ""}`;
  return URL.canParse(address) && NAMES.has(new URL(address).hostname);
}

/** Resolve the path as whoever serves it does, in place; null for one that is not told apart from another. */
export function resolvedPath(request) {
  const address = `http://127.0.0.1${request.url}`;
  if (!request.url?.startsWith("/") || !URL.canParse(address)) return null;
  const { pathname, search } = new URL(address);
  request.url = pathname + search;
  return pathname;
}

/** A dot, a slash, a backslash or a percent sign that is still encoded: the next to decode it gets another path. */
export function isAmbiguous(path) {
  return /%(2e|2f|5c|25)/i.test(path);
}
