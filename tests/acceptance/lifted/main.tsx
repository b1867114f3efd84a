import { createClient } from "@supabase/supabase-js";
import { createRoot } from "react-dom/client";
import { ChatInterface } from "./ChatInterface";
import { createChat } from "./chat";
import type { Database } from "./database.types";

const { VITE_SUPABASE_URL, VITE_SUPABASE_PUBLISHABLE_KEY, VITE_EMAIL, VITE_PASSWORD } = import.meta.env;
const supabase = createClient<Database>(VITE_SUPABASE_URL, VITE_SUPABASE_PUBLISHABLE_KEY);
const chat = createChat(supabase); // once: it is not to change from one drawing to the next
await supabase.auth.signInWithPassword({ email: VITE_EMAIL, password: VITE_PASSWORD }); // or as your app does
const { data } = await supabase.from("post_analyses").select("id").limit(1).single().throwOnError();
createRoot(document.getElementById("root")!).render(<ChatInterface chat={chat} postAnalysisId={data.id} />);
