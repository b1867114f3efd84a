import { createClient } from "@supabase/supabase-js";
import { createRoot } from "react-dom/client";
import { ChatInterface, clientOptions, createChat } from "./chat";
import type { Database } from "./database.types";

const { VITE_SUPABASE_URL, VITE_SUPABASE_PUBLISHABLE_KEY, VITE_EMAIL, VITE_PASSWORD } = import.meta.env;
const supabase = createClient<Database>(VITE_SUPABASE_URL, VITE_SUPABASE_PUBLISHABLE_KEY, clientOptions);
await supabase.auth.signInWithPassword({ email: VITE_EMAIL, password: VITE_PASSWORD }); // or as your app does
const { data } = await supabase.from("post_analyses").select("id").limit(1).single().throwOnError();
const root = createRoot(document.getElementById("root")!);
root.render(<ChatInterface chat={createChat(supabase)} postAnalysisId={data.id} />);
