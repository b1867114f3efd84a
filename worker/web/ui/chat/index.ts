// What an app takes from this folder. Without React, import from `./chat/client` and its neighbours instead.

export type { Props as ChatInterfaceProps } from "./ChatInterface";
export { ChatInterface } from "./ChatInterface";
export type { Chat, HistoryPage } from "./client";
export { createChat } from "./client";
export { clientOptions } from "./clientOptions";
export { asChatError, ChatError } from "./errors";
export { newId } from "./ids";
export type { Allowance, Limit } from "./limits";
export { nearlyOver } from "./limits";
export type { ChatMessage, ChatReply, ChatSession, ChatSessionSummary } from "./rows";
export { storable } from "./sending";
export type { ChatHandlers, ChatSubscription } from "./subscription";
export { timeAgo, timeAhead } from "./times";
export type { Turn, TurnState, WaitsFor } from "./turn";
export { useChat } from "./useChat";
