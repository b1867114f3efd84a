// The chat as a file, made by the server that this page came from.

import { useState } from "react";
import { renew, within } from "../chat/requests";
import { useProject } from "./project";

const PATIENCE = 15_000; // milliseconds for the token
const LONGEST = 120_000; // milliseconds for the file: thousands of turns take a while to be set
const FORMATS = { pdf: "PDF", md: "Markdown", txt: "Text", json: "JSON" };

export function Export({ sessionId }: { sessionId: string }) {
  const { supabase } = useProject();
  const [words, setWords] = useState("");
  const download = async (format: string) => {
    setWords("Preparing the file…");
    try {
      let response = await ask(format);
      if (response.status === 401 && (await renew(supabase)) === "renewed") response = await ask(format);
      if (response.ok) save(await response.blob(), `chat.${format}`);
      setWords(response.ok ? "" : sentenceFor(response.status));
    } catch {
      setWords("The server could not be reached, or did not answer in time. Try again.");
    }
  };
  const ask = async (format: string) => {
    const { data } = await within(PATIENCE, supabase.auth.getSession());
    return fetch(`/api/chat/sessions/${sessionId}/export?format=${format}`, {
      headers: { Authorization: `Bearer ${data.session?.access_token}` },
      signal: AbortSignal.timeout(LONGEST),
    });
  };
  return (
    <>
      {Object.entries(FORMATS).map(([format, name]) => (
        <button key={format} type="button" onClick={() => download(format)}>
          Export as {name}
        </button>
      ))}
      <p role="status" className="hint">
        {words}
      </p>
    </>
  );
}

function sentenceFor(status: number): string {
  if (status === 401) return "Your sign-in has expired. Sign in again.";
  if (status === 404) return "This chat is not there any more: it was deleted.";
  return "The file could not be made. Try again in a minute.";
}

function save(file: Blob, name: string): void {
  const address = URL.createObjectURL(file);
  Object.assign(document.createElement("a"), { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
