// A link in an answer.

import type { ReactNode } from "react";
import type { ExtraProps } from "react-markdown";

/**
 * A link leads to a host that can be told, or to a mailbox, and gains nothing from us. Any other is its text: a relative
 * one would lead into whatever page this is, and a user name passes for a host.
 */
export function AnswerLink({ href = "", node, children }: { href?: string; children?: ReactNode } & ExtraProps) {
  const place = placeOf(href);
  if (!place) return <span>{children}</span>;
  return (
    <>
      <a href={href} target="_blank" rel="noopener noreferrer nofollow ugc">
        {children}
      </a>
      {isShown(place, node ? textOf(node) : "") ? null : <bdi className="chat-place"> ({place})</bdi>}
    </>
  );
}

/** The host or the mailbox; empty for what stays text. */
function placeOf(href: string): string {
  if (!URL.canParse(href)) return "";
  const { protocol, host, pathname } = new URL(href);
  if (protocol === "mailto:") return /^mailto:[^/]/i.test(href) ? decoded(pathname) : "";
  return /^https?:\/\/[^/?#@]+(?:[/?#]|$)/i.test(href) ? host : "";
}

/** Whether a reader sees at once where a link leads, since its text begins with that. */
function isShown(place: string, text: string): boolean {
  const shown = text
    .trim()
    .toLowerCase()
    .replace(/^(?:https?:\/\/|mailto:)/, "");
  return shown.startsWith(place.toLowerCase()) && ["", "/", "?", "#"].includes(shown.charAt(place.length));
}

interface Words {
  value?: string;
  children?: Words[];
}

function textOf({ value = "", children = [] }: Words): string {
  return value + children.map(textOf).join("");
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
