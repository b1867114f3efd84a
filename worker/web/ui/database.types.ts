
export type Json = string | number | boolean | null | { [key: string]: Json | undefined } | Json[]

export type Database = {
  
  "public": {
          Tables: {
            "chat_messages": {
                  Row: {
                    "content": string,"created_at": string,"finish_reason": string | null,"id": string,"model": string | null,"replaces": string | null,"reply_to": string | null,"role": string,"session_id": string,"tokens_used": number | null,"turn": number,"user_id": string,"version": number | null
                  }
                  ComputedFields: never
                  Insert: {
                    "content": string,"created_at"?: string,"finish_reason"?: string | null,"id"?: string,"model"?: string | null,"replaces"?: string | null,"reply_to"?: string | null,"role"?: string,"session_id": string,"tokens_used"?: number | null,"turn": number,"user_id": string,"version"?: number | null
                  }
                  Update: {
                    "content"?: string,"created_at"?: string,"finish_reason"?: string | null,"id"?: string,"model"?: string | null,"replaces"?: string | null,"reply_to"?: string | null,"role"?: string,"session_id"?: string,"tokens_used"?: number | null,"turn"?: number,"user_id"?: string,"version"?: number | null
                  }
                  Relationships: [
                    {
      foreignKeyName: "chat_messages_reply_to_fkey"
      columns: ["reply_to"]
isOneToOne: false
      referencedRelation: "chat_messages"
      referencedColumns: ["id"]
    },{
      foreignKeyName: "chat_messages_reply_to_fkey"
      columns: ["reply_to"]
isOneToOne: false
      referencedRelation: "current_chat_messages"
      referencedColumns: ["id"]
    },{
      foreignKeyName: "replaces_a_question_of_the_same_session"
      columns: ["replaces","session_id"]
isOneToOne: false
      referencedRelation: "chat_messages"
      referencedColumns: ["id","session_id"]
    },{
      foreignKeyName: "replaces_a_question_of_the_same_session"
      columns: ["replaces","session_id"]
isOneToOne: false
      referencedRelation: "current_chat_messages"
      referencedColumns: ["id","session_id"]
    },{
      foreignKeyName: "session_belongs_to_user"
      columns: ["session_id","user_id"]
isOneToOne: false
      referencedRelation: "chat_session_summaries"
      referencedColumns: ["id","user_id"]
    },{
      foreignKeyName: "session_belongs_to_user"
      columns: ["session_id","user_id"]
isOneToOne: false
      referencedRelation: "chat_sessions"
      referencedColumns: ["id","user_id"]
    }
                  ]
                },"chat_replies": {
                  Row: {
                    "attempt": number,"created_at": string,"error_code": string | null,"finished_at": string | null,"message_id": string,"pending_since": string,"session_id": string,"started_at": string | null,"status": string,"user_id": string,"version": number,"chat_reply_drafts": {
              "attempt": number | null,
"content": string | null,
"message_id": string | null,
"session_id": string | null,
"updated_at": string | null,
"user_id": string | null
            } | null
                  }
                  ComputedFields: "chat_reply_drafts"
                  Insert: {
                    "attempt"?: number,"created_at"?: string,"error_code"?: string | null,"finished_at"?: string | null,"message_id": string,"pending_since"?: string,"session_id": string,"started_at"?: string | null,"status"?: string,"user_id": string,"version"?: number
                  }
                  Update: {
                    "attempt"?: number,"created_at"?: string,"error_code"?: string | null,"finished_at"?: string | null,"message_id"?: string,"pending_since"?: string,"session_id"?: string,"started_at"?: string | null,"status"?: string,"user_id"?: string,"version"?: number
                  }
                  Relationships: [
                    {
      foreignKeyName: "chat_replies_message_id_fkey"
      columns: ["message_id"]
isOneToOne: true
      referencedRelation: "chat_messages"
      referencedColumns: ["id"]
    },{
      foreignKeyName: "chat_replies_message_id_fkey"
      columns: ["message_id"]
isOneToOne: true
      referencedRelation: "current_chat_messages"
      referencedColumns: ["id"]
    },{
      foreignKeyName: "session_belongs_to_user"
      columns: ["session_id","user_id"]
isOneToOne: false
      referencedRelation: "chat_session_summaries"
      referencedColumns: ["id","user_id"]
    },{
      foreignKeyName: "session_belongs_to_user"
      columns: ["session_id","user_id"]
isOneToOne: false
      referencedRelation: "chat_sessions"
      referencedColumns: ["id","user_id"]
    }
                  ]
                },"chat_sessions": {
                  Row: {
                    "created_at": string,"id": string,"last_turn": number,"post_analysis_id": string,"status": string,"updated_at": string,"user_id": string
                  }
                  ComputedFields: never
                  Insert: {
                    "created_at"?: string,"id"?: string,"last_turn"?: number,"post_analysis_id": string,"status"?: string,"updated_at"?: string,"user_id"?: string
                  }
                  Update: {
                    "created_at"?: string,"id"?: string,"last_turn"?: number,"post_analysis_id"?: string,"status"?: string,"updated_at"?: string,"user_id"?: string
                  }
                  Relationships: [
                    {
      foreignKeyName: "analysis_belongs_to_user"
      columns: ["post_analysis_id","user_id"]
isOneToOne: false
      referencedRelation: "post_analyses"
      referencedColumns: ["id","user_id"]
    }
                  ]
                },"chat_settings": {
                  Row: {
                    "default_plan": string,"id": boolean,"paused": boolean,"spend_cap_usd_per_day": number | null,"spend_cap_usd_per_month": number | null,"tokens_held_per_reply": number
                  }
                  ComputedFields: never
                  Insert: {
                    "default_plan"?: string,"id"?: boolean,"paused"?: boolean,"spend_cap_usd_per_day"?: number | null,"spend_cap_usd_per_month"?: number | null,"tokens_held_per_reply"?: number
                  }
                  Update: {
                    "default_plan"?: string,"id"?: boolean,"paused"?: boolean,"spend_cap_usd_per_day"?: number | null,"spend_cap_usd_per_month"?: number | null,"tokens_held_per_reply"?: number
                  }
                  Relationships: [
                    {
      foreignKeyName: "chat_settings_default_plan_fkey"
      columns: ["default_plan"]
isOneToOne: false
      referencedRelation: "plans"
      referencedColumns: ["name"]
    }
                  ]
                },"external_api_call_logs": {
                  Row: {
                    "asked_on": string,"attempt": number,"cached_tokens": number | null,"candidate_tokens": number | null,"cost_is_estimated": boolean,"cost_usd": number | null,"endpoint": string | null,"finished_at": string | null,"first_token_ms": number | null,"latency_ms": number | null,"message_id": string,"model_requested": string | null,"model_version": string | null,"outcome": string,"prompt_tokens": number | null,"prompt_version": string | null,"retry": number,"session_id": string,"started_at": string,"thought_tokens": number | null,"tokens_debited": number | null,"user_id": string,"worker_id": string
                  }
                  ComputedFields: never
                  Insert: {
                    "asked_on"?: string,"attempt": number,"cached_tokens"?: number | null,"candidate_tokens"?: number | null,"cost_is_estimated"?: boolean,"cost_usd"?: number | null,"endpoint"?: string | null,"finished_at"?: string | null,"first_token_ms"?: number | null,"latency_ms"?: number | null,"message_id": string,"model_requested"?: string | null,"model_version"?: string | null,"outcome"?: string,"prompt_tokens"?: number | null,"prompt_version"?: string | null,"retry"?: number,"session_id": string,"started_at"?: string,"thought_tokens"?: number | null,"tokens_debited"?: number | null,"user_id": string,"worker_id": string
                  }
                  Update: {
                    "asked_on"?: string,"attempt"?: number,"cached_tokens"?: number | null,"candidate_tokens"?: number | null,"cost_is_estimated"?: boolean,"cost_usd"?: number | null,"endpoint"?: string | null,"finished_at"?: string | null,"first_token_ms"?: number | null,"latency_ms"?: number | null,"message_id"?: string,"model_requested"?: string | null,"model_version"?: string | null,"outcome"?: string,"prompt_tokens"?: number | null,"prompt_version"?: string | null,"retry"?: number,"session_id"?: string,"started_at"?: string,"thought_tokens"?: number | null,"tokens_debited"?: number | null,"user_id"?: string,"worker_id"?: string
                  }
                  Relationships: [
                    
                  ]
                },"plans": {
                  Row: {
                    "active_chats": number | null,"calls_per_day": number | null,"chat_changes_per_minute": number | null,"longest_message": number | null,"models": (string)[] | null,"name": string,"questions_per_day": number | null,"questions_per_hour": number | null,"questions_per_minute": number | null,"replies_at_once": number | null,"tokens_per_day": number | null,"versions_per_answer": number | null,"waiting_at_once": number | null
                  }
                  ComputedFields: never
                  Insert: {
                    "active_chats"?: number | null,"calls_per_day"?: number | null,"chat_changes_per_minute"?: number | null,"longest_message"?: number | null,"models"?: (string)[] | null,"name": string,"questions_per_day"?: number | null,"questions_per_hour"?: number | null,"questions_per_minute"?: number | null,"replies_at_once"?: number | null,"tokens_per_day"?: number | null,"versions_per_answer"?: number | null,"waiting_at_once"?: number | null
                  }
                  Update: {
                    "active_chats"?: number | null,"calls_per_day"?: number | null,"chat_changes_per_minute"?: number | null,"longest_message"?: number | null,"models"?: (string)[] | null,"name"?: string,"questions_per_day"?: number | null,"questions_per_hour"?: number | null,"questions_per_minute"?: number | null,"replies_at_once"?: number | null,"tokens_per_day"?: number | null,"versions_per_answer"?: number | null,"waiting_at_once"?: number | null
                  }
                  Relationships: [
                    
                  ]
                },"post_analyses": {
                  Row: {
                    "analysis": NonNullable<Json>,"created_at": string,"creator_context": string | null,"frameworks": NonNullable<Json>,"id": string,"key_insights": NonNullable<Json>,"post_id": string,"quick_takeaways": NonNullable<Json>,"user_id": string,"viral_status": string | null
                  }
                  ComputedFields: never
                  Insert: {
                    "analysis"?: NonNullable<Json>,"created_at"?: string,"creator_context"?: string | null,"frameworks"?: NonNullable<Json>,"id"?: string,"key_insights"?: NonNullable<Json>,"post_id": string,"quick_takeaways"?: NonNullable<Json>,"user_id": string,"viral_status"?: string | null
                  }
                  Update: {
                    "analysis"?: NonNullable<Json>,"created_at"?: string,"creator_context"?: string | null,"frameworks"?: NonNullable<Json>,"id"?: string,"key_insights"?: NonNullable<Json>,"post_id"?: string,"quick_takeaways"?: NonNullable<Json>,"user_id"?: string,"viral_status"?: string | null
                  }
                  Relationships: [
                    {
      foreignKeyName: "post_belongs_to_user"
      columns: ["post_id","user_id"]
isOneToOne: false
      referencedRelation: "posts"
      referencedColumns: ["id","user_id"]
    }
                  ]
                },"posts": {
                  Row: {
                    "caption": string | null,"created_at": string,"creator": string | null,"id": string,"media": NonNullable<Json>,"metrics": NonNullable<Json>,"platform": string,"posted_at": string | null,"url": string,"user_id": string
                  }
                  ComputedFields: never
                  Insert: {
                    "caption"?: string | null,"created_at"?: string,"creator"?: string | null,"id"?: string,"media"?: NonNullable<Json>,"metrics"?: NonNullable<Json>,"platform": string,"posted_at"?: string | null,"url": string,"user_id": string
                  }
                  Update: {
                    "caption"?: string | null,"created_at"?: string,"creator"?: string | null,"id"?: string,"media"?: NonNullable<Json>,"metrics"?: NonNullable<Json>,"platform"?: string,"posted_at"?: string | null,"url"?: string,"user_id"?: string
                  }
                  Relationships: [
                    
                  ]
                },"user_plans": {
                  Row: {
                    "plan": string,"since": string,"time_zone": string,"until": string | null,"user_id": string
                  }
                  ComputedFields: never
                  Insert: {
                    "plan": string,"since"?: string,"time_zone"?: string,"until"?: string | null,"user_id": string
                  }
                  Update: {
                    "plan"?: string,"since"?: string,"time_zone"?: string,"until"?: string | null,"user_id"?: string
                  }
                  Relationships: [
                    {
      foreignKeyName: "user_plans_plan_fkey"
      columns: ["plan"]
isOneToOne: false
      referencedRelation: "plans"
      referencedColumns: ["name"]
    }
                  ]
                }
          }
          Views: {
            "chat_reply_drafts": {
                  Row: {
                    "attempt": number | null,"content": string | null,"message_id": string | null,"session_id": string | null,"updated_at": string | null,"user_id": string | null
                  }
                  ComputedFields: never
                  Relationships: [
                    
                  ]
                },"chat_service": {
                  Row: {
                    "answering": boolean | null,"model_busy_until": string | null,"paused": boolean | null,"paused_until": string | null
                  }
                  ComputedFields: never
                  Relationships: [
                    
                  ]
                },"chat_session_summaries": {
                  Row: {
                    "created_at": string,"id": string,"last_turn": number,"message_count": number | null,"post_analysis_id": string,"status": string,"updated_at": string,"user_id": string
                  }
                  ComputedFields: never
                  Insert: {
                           "created_at"?: string | null,"id"?: string | null,"last_turn"?: number | null,"message_count"?: never,"post_analysis_id"?: string | null,"status"?: string | null,"updated_at"?: string | null,"user_id"?: string | null
                         }
                        Update: {
                           "created_at"?: string | null,"id"?: string | null,"last_turn"?: number | null,"message_count"?: never,"post_analysis_id"?: string | null,"status"?: string | null,"updated_at"?: string | null,"user_id"?: string | null
                         }
                        Relationships: [
                    {
      foreignKeyName: "analysis_belongs_to_user"
      columns: ["post_analysis_id","user_id"]
isOneToOne: false
      referencedRelation: "post_analyses"
      referencedColumns: ["id","user_id"]
    }
                  ]
                },"current_chat_messages": {
                  Row: {
                    "content": string,"created_at": string,"finish_reason": string | null,"id": string,"model": string | null,"replaces": string | null,"reply_to": string | null,"role": string,"session_id": string,"tokens_used": number | null,"turn": number,"user_id": string,"version": number | null
                  }
                  ComputedFields: never
                  Insert: {
                           "content"?: string | null,"created_at"?: string | null,"finish_reason"?: string | null,"id"?: string | null,"model"?: string | null,"replaces"?: string | null,"reply_to"?: string | null,"role"?: string | null,"session_id"?: string | null,"tokens_used"?: number | null,"turn"?: number | null,"user_id"?: string | null,"version"?: number | null
                         }
                        Update: {
                           "content"?: string | null,"created_at"?: string | null,"finish_reason"?: string | null,"id"?: string | null,"model"?: string | null,"replaces"?: string | null,"reply_to"?: string | null,"role"?: string | null,"session_id"?: string | null,"tokens_used"?: number | null,"turn"?: number | null,"user_id"?: string | null,"version"?: number | null
                         }
                        Relationships: [
                    {
      foreignKeyName: "chat_messages_reply_to_fkey"
      columns: ["reply_to"]
isOneToOne: false
      referencedRelation: "chat_messages"
      referencedColumns: ["id"]
    },{
      foreignKeyName: "chat_messages_reply_to_fkey"
      columns: ["reply_to"]
isOneToOne: false
      referencedRelation: "current_chat_messages"
      referencedColumns: ["id"]
    },{
      foreignKeyName: "replaces_a_question_of_the_same_session"
      columns: ["replaces","session_id"]
isOneToOne: false
      referencedRelation: "chat_messages"
      referencedColumns: ["id","session_id"]
    },{
      foreignKeyName: "replaces_a_question_of_the_same_session"
      columns: ["replaces","session_id"]
isOneToOne: false
      referencedRelation: "current_chat_messages"
      referencedColumns: ["id","session_id"]
    },{
      foreignKeyName: "session_belongs_to_user"
      columns: ["session_id","user_id"]
isOneToOne: false
      referencedRelation: "chat_session_summaries"
      referencedColumns: ["id","user_id"]
    },{
      foreignKeyName: "session_belongs_to_user"
      columns: ["session_id","user_id"]
isOneToOne: false
      referencedRelation: "chat_sessions"
      referencedColumns: ["id","user_id"]
    }
                  ]
                }
          }
          Functions: {
            "beat":
{ Args: { "alive_seconds": number,"asking": Json,"attempts": (number)[],"claims_known": number,"held": (string)[],"models_closed_seconds": number,"worker_id": string }; Returns: Json
                           },
"cancel_reply":
{ Args: { "message_id": string }; Returns: Json
                           },
"chat_reply_drafts":
{ Args: { "": Database["public"]['Tables']["chat_replies"]['Row'] }; Returns: { error: true } & "the function public.chat_reply_drafts with parameter or with a single unnamed json/jsonb parameter, but no matches were found in the schema cache"
                          SetofOptions: {
        from: "chat_replies"
        to: "chat_reply_drafts"
        isOneToOne: true
        isSetofReturn: true
      } },
"chat_usage":
{ Args: Record<PropertyKey, never>; Returns: Json
                           },
"check_installation":
{ Args: { "functions": Json,"relations": Json }; Returns: Json
                           },
"claim_replies":
{ Args: { "claim": number,"max_replies": number,"worker_id": string }; Returns: Json
                           },
"complete_reply":
{ Args: { "attempt": number,"call": Json,"content": string,"finish_reason": string,"message_id": string,"worker_id": string }; Returns: boolean
                           },
"erase_broadcasts":
{ Args: Record<PropertyKey, never>; Returns: Json
                           },
"fail_reply":
{ Args: { "attempt": number,"call": Json,"error_code": string,"message_id": string,"retry_in": number,"worker_id": string }; Returns: boolean
                           },
"give_back":
{ Args: { "due_in": number,"replies": Json,"worker_id": string }; Returns: number
                           },
"measure_spend":
{ Args: Record<PropertyKey, never>; Returns: Json
                           },
"next_attempt":
{ Args: { "attempt": number,"call": Json,"error_code": string,"message_id": string,"worker_id": string }; Returns: number
                           },
"open_chat_session":
{ Args: { "post_analysis_id": string }; Returns: {
              "created_at": string,
"id": string,
"last_turn": number,
"post_analysis_id": string,
"status": string,
"updated_at": string,
"user_id": string
            }
                          SetofOptions: {
        from: "*"
        to: "chat_sessions"
        isOneToOne: true
        isSetofReturn: false
      } },
"ops_queue":
{ Args: Record<PropertyKey, never>; Returns: Json
                           },
"ops_report":
{ Args: Record<PropertyKey, never>; Returns: Json
                           },
"reconcile_replies":
{ Args: { "every_seconds": number,"max_wait_seconds": number }; Returns: Json
                           },
"regenerate_reply":
{ Args: { "message_id": string }; Returns: Json
                           },
"register_worker":
{ Args: { "alive_seconds": number,"concurrency": number,"version": string,"worker_id": string }; Returns: Json
                           },
"release_replies":
{ Args: { "worker_id": string }; Returns: Json
                           },
"retry_reply":
{ Args: { "message_id": string }; Returns: Json
                           },
"save_drafts":
{ Args: { "pieces": Json,"worker_id": string }; Returns: Json
                           }
          }
          Enums: {
            [_ in never]: never
          }
          CompositeTypes: {
            [_ in never]: never
          }
        }
}

type DatabaseWithoutInternals = Omit<Database, '__InternalSupabase'>

type DefaultSchema = DatabaseWithoutInternals[Extract<keyof Database, "public">]

export type Tables<
  DefaultSchemaTableNameOrOptions extends
    | keyof (DefaultSchema["Tables"] & DefaultSchema["Views"])
    | { schema: keyof DatabaseWithoutInternals },
  TableName extends DefaultSchemaTableNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals
  }
    ? keyof (DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"] &
        DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Views"])
    : never = never
> = DefaultSchemaTableNameOrOptions extends { schema: keyof DatabaseWithoutInternals }
  ? (DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"] &
      DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Views"])[TableName] extends {
      Row: infer R
    }
    ? R
    : never
  : DefaultSchemaTableNameOrOptions extends keyof (DefaultSchema["Tables"] & DefaultSchema["Views"])
  ? (DefaultSchema["Tables"] & DefaultSchema["Views"])[DefaultSchemaTableNameOrOptions] extends {
      Row: infer R
    }
    ? R
    : never
  : never

export type TablesInsert<
  DefaultSchemaTableNameOrOptions extends
    | keyof DefaultSchema["Tables"]
    | { schema: keyof DatabaseWithoutInternals },
  TableName extends DefaultSchemaTableNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals
  }
    ? keyof DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"]
    : never = never
> = DefaultSchemaTableNameOrOptions extends { schema: keyof DatabaseWithoutInternals }
  ? DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"][TableName] extends {
      Insert: infer I
    }
    ? I
    : never
  : DefaultSchemaTableNameOrOptions extends keyof DefaultSchema["Tables"]
  ? DefaultSchema["Tables"][DefaultSchemaTableNameOrOptions] extends {
      Insert: infer I
    }
    ? I
    : never
  : never

export type TablesUpdate<
  DefaultSchemaTableNameOrOptions extends
    | keyof DefaultSchema["Tables"]
    | { schema: keyof DatabaseWithoutInternals },
  TableName extends DefaultSchemaTableNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals
  }
    ? keyof DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"]
    : never = never
> = DefaultSchemaTableNameOrOptions extends { schema: keyof DatabaseWithoutInternals }
  ? DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"][TableName] extends {
      Update: infer U
    }
    ? U
    : never
  : DefaultSchemaTableNameOrOptions extends keyof DefaultSchema["Tables"]
  ? DefaultSchema["Tables"][DefaultSchemaTableNameOrOptions] extends {
      Update: infer U
    }
    ? U
    : never
  : never

export type Enums<
  DefaultSchemaEnumNameOrOptions extends
    | keyof DefaultSchema["Enums"]
    | { schema: keyof DatabaseWithoutInternals },
  EnumName extends DefaultSchemaEnumNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals
  }
    ? keyof DatabaseWithoutInternals[DefaultSchemaEnumNameOrOptions["schema"]]["Enums"]
    : never = never
> = DefaultSchemaEnumNameOrOptions extends { schema: keyof DatabaseWithoutInternals }
  ? DatabaseWithoutInternals[DefaultSchemaEnumNameOrOptions["schema"]]["Enums"][EnumName]
  : DefaultSchemaEnumNameOrOptions extends keyof DefaultSchema["Enums"]
  ? DefaultSchema["Enums"][DefaultSchemaEnumNameOrOptions]
  : never

export type CompositeTypes<
  PublicCompositeTypeNameOrOptions extends
    | keyof DefaultSchema["CompositeTypes"]
    | { schema: keyof DatabaseWithoutInternals },
  CompositeTypeName extends PublicCompositeTypeNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals
  }
    ? keyof DatabaseWithoutInternals[PublicCompositeTypeNameOrOptions["schema"]]["CompositeTypes"]
    : never = never
> = PublicCompositeTypeNameOrOptions extends { schema: keyof DatabaseWithoutInternals }
  ? DatabaseWithoutInternals[PublicCompositeTypeNameOrOptions["schema"]]["CompositeTypes"][CompositeTypeName]
  : PublicCompositeTypeNameOrOptions extends keyof DefaultSchema["CompositeTypes"]
  ? DefaultSchema["CompositeTypes"][PublicCompositeTypeNameOrOptions]
  : never

export const Constants = {
  "public": {
          Enums: {
            
          }
        }
} as const
