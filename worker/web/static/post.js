// An analysed post: its line in the list, and its details.

import { element } from "./turn.js";

export function listLine({ id, posts: post }, onPick) {
  const title = element("strong", { textContent: post.creator ?? post.platform });
  const platform = element("span", { className: "platform", textContent: post.platform });
  const caption = element("span", { className: "caption", textContent: post.caption ?? post.url });
  const button = element("button", { type: "button", onclick: () => onPick(id) }, title, platform, caption);
  button.dataset.analysis = id;
  return element("li", {}, button);
}

export function details({ posts: post, quick_takeaways: takeaways, viral_status: status }) {
  const nodes = [element("p", { className: "caption", textContent: post.caption ?? "" })];
  const metrics = Object.entries(post.metrics ?? {});
  if (metrics.length > 0) nodes.push(element("dl", { className: "metrics" }, ...metrics.map(metric)));
  const more = [];
  const items = (takeaways ?? []).map((text) => element("li", { textContent: asText(text) }));
  if (items.length > 0) more.push(element("ul", {}, ...items));
  if (status) more.push(element("p", { textContent: status }));
  if (more.length > 0) {
    nodes.push(element("details", {}, element("summary", { textContent: "Takeaways" }), ...more));
  }
  return nodes;
}

function metric([name, value]) {
  const label = element("dt", { textContent: name.replaceAll("_", " ") });
  return element("div", {}, label, element("dd", { textContent: asText(value) }));
}

function asText(value) {
  if (typeof value === "number") return value.toLocaleString("en");
  return typeof value === "string" ? value : JSON.stringify(value);
}
