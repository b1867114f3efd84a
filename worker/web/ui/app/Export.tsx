// The chat as a file, made by the server that this page came from.

import { useState } from "react";
import { useProject } from "./project";

const FORMATS = { pdf: "PDF", md: "Markdown", txt: "Text", json: "JSON" };

export function Export({ sessionId }: { sessionId: string }) {
  const { supabase } = useProject();
  const [words, setWords] = useState("");
  const download = async (format: string) => {
    setWords("Preparing the file…");
    try {
      const { data } = await supabase.auth.getSession();
      const response = await fetch(`/api/chat/sessions/${sessionId}/export?format=${format}`, {
        headers: { Authorization: `Bearer ${data.session?.access_token}` },
      });
      if (!response.ok) throw new Error(String(response.status));
      save(await response.blob(), `chat.${format}`);
      setWords("");
    } catch {
      setWords("The file could not be made. Try again.");
    }
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

function save(file: Blob, name: string): void {
  const address = URL.createObjectURL(file);
  Object.assign(document.createElement("a"), { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
