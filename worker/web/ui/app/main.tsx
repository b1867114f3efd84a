// The app's beginning: which project it talks to, and what it draws.

import { createClient } from "@supabase/supabase-js";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { clientOptions } from "../chat/clientOptions";
import type { Database } from "../database.types";
import { App } from "./App";
import "./app.css";

interface PublicConfig {
  supabaseUrl: string;
  publishableKey: string;
}

const PATIENCE = 15_000; // milliseconds

async function start(): Promise<void> {
  const limit = AbortSignal.timeout(PATIENCE);
  const root = createRoot(document.getElementById("root")!);
  try {
    const response = await fetch("/config.json", { signal: limit });
    const { supabaseUrl, publishableKey } = (await response.json()) as PublicConfig;
    const connect = () => createClient<Database>(supabaseUrl, publishableKey, clientOptions);
    const isLocal = ["127.0.0.1", "localhost"].includes(new URL(supabaseUrl).hostname);
    root.render(
      <StrictMode>
        <App connect={connect} isLocal={isLocal} />
      </StrictMode>,
    );
  } catch {
    const words = limit.aborted ? "The server did not answer in time." : "The page could not start.";
    root.render(<p role="alert">{words} Reload it to try again.</p>);
  }
}

void start();
