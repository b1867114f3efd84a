// The app's beginning: which project it talks to, and what it draws.

import { createClient } from "@supabase/supabase-js";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import type { Database } from "../database.types";
import { App } from "./App";
import "./app.css";

interface PublicConfig {
  supabaseUrl: string;
  publishableKey: string;
}

async function start(): Promise<void> {
  const root = createRoot(document.getElementById("root")!);
  try {
    const response = await fetch("/config.json");
    const { supabaseUrl, publishableKey } = (await response.json()) as PublicConfig;
    const connect = () => createClient<Database>(supabaseUrl, publishableKey);
    const isLocal = ["127.0.0.1", "localhost"].includes(new URL(supabaseUrl).hostname);
    root.render(
      <StrictMode>
        <App connect={connect} isLocal={isLocal} />
      </StrictMode>,
    );
  } catch {
    root.render(<p role="alert">The page could not start. Reload it to try again.</p>);
  }
}

void start();
