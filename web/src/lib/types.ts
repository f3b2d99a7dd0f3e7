/** The shapes in which the server and the page speak. Times are milliseconds since 1970. */

export type Role = "admin" | "user" | "pending";
export type Theme = "system" | "light" | "dark";

export interface Params {
  readonly temperature?: number;
  readonly top_p?: number;
  readonly top_k?: number;
  readonly min_p?: number;
  readonly max_tokens?: number;
  readonly seed?: number;
  readonly stop?: string[];
  readonly repeat_penalty?: number;
  readonly presence_penalty?: number;
  readonly frequency_penalty?: number;
  readonly reasoning?: "auto" | "on" | "off";
}

/** What somebody chose for all their chats. */
export interface UserSettings {
  readonly theme?: Theme;
  readonly model?: string | null;
  readonly system?: string;
  readonly params?: Params;
  readonly better_titles?: boolean;
}

export interface Limits {
  readonly models?: string[] | null;
  readonly tokens_per_day?: number | null;
  readonly parallel?: number | null;
  /** Times of the day as "21:00". */
  readonly quiet?: { readonly from: string; readonly to: string } | null;
  /** The preset that decides model, system prompt and parameters. */
  readonly preset?: string | null;
}

export interface User {
  readonly id: string;
  readonly login: string;
  readonly name: string;
  readonly role: Role;
  readonly created: number;
  readonly last_seen: number | null;
  readonly settings: UserSettings;
  readonly limits: Limits;
  /** Signed in with a password that an admin made: another one must be chosen first. */
  readonly must_change?: boolean;
}

export interface Usage {
  readonly tokens_today: number;
}

export type SignUp = "closed" | "approval" | "open";

/** What anybody may know of this house. */
export interface Start {
  /** There is no account yet: the setup token makes the first. */
  readonly setup: boolean;
  readonly signup: SignUp;
  readonly user: User | null;
  readonly version: string;
  readonly name: string;
}

/** A device on which somebody is signed in. */
export interface Device {
  readonly id: string;
  readonly device: string;
  readonly address: string;
  readonly created: number;
  readonly last_seen: number;
  readonly current: boolean;
}

export interface ApiKey {
  readonly id: string;
  readonly name: string;
  readonly prefix: string;
  readonly doors?: string[] | null;
  readonly models?: string[] | null;
  readonly created: number;
  readonly last_used?: number | null;
  readonly expires?: number | null;
}

export interface Invitation {
  readonly role: Role;
  readonly by: string;
  readonly expires: number;
}

export interface ChatSettings {
  readonly model?: string | null;
  readonly system?: string;
  readonly params?: Params;
  readonly preset?: string | null;
}

export interface ChatSummary {
  readonly id: string;
  readonly title: string;
  readonly folder: string | null;
  readonly pinned: boolean;
  readonly archived: boolean;
  readonly temporary: boolean;
  readonly created: number;
  readonly updated: number;
  readonly model: string | null;
}

export interface Chat extends ChatSummary {
  readonly settings: ChatSettings;
  /** The last message of the branch that is shown. */
  readonly current: string | null;
}

export interface FileInfo {
  readonly id: string;
  readonly name: string;
  readonly kind: "image" | "text" | "pdf";
  readonly media_type: string;
  readonly size: number;
  readonly tokens: number | null;
}

/** How an answer came about. */
export interface MessageMeta {
  readonly prompt_tokens?: number | null;
  readonly tokens?: number | null;
  readonly tokens_per_second?: number | null;
  readonly prompt_per_second?: number | null;
  readonly first_token_ms?: number | null;
  readonly reasoning_ms?: number | null;
  readonly context?: number | null;
  readonly context_used?: number | null;
  readonly finish?: string | null;
  readonly queued_ms?: number | null;
  readonly loading_ms?: number | null;
}

export interface Message {
  readonly id: string;
  readonly chat: string;
  readonly parent: string | null;
  readonly role: "user" | "assistant";
  readonly content: string;
  readonly reasoning: string;
  readonly model: string | null;
  readonly files: readonly FileInfo[];
  readonly created: number;
  readonly state: "done" | "writing" | "stopped" | "failed" | "interrupted";
  readonly error: { readonly message: string; readonly hint?: string | null } | null;
  readonly meta: MessageMeta;
}

export interface ModelState {
  readonly id: string;
  readonly name: string;
  readonly state: "unloaded" | "queued" | "loading" | "ready" | "stopping" | "failed";
  /** From 0 to 1. */
  readonly progress?: number | null;
  /** Of a load: so far, or still to come where that is known. */
  readonly seconds?: number | null;
  /** Whether these are still to come. */
  readonly seconds_left?: boolean;
  readonly waiting: number;
  readonly running: number;
  readonly context?: number | null;
  readonly size?: number | null;
  readonly vision: boolean;
  readonly tools: boolean;
  readonly thinking: boolean;
  readonly embedding: boolean;
  readonly fits: "gpu" | "split" | "cpu" | "no" | null;
  /** Where it would run or runs, in words. */
  readonly place?: string | null;
  readonly peer?: boolean;
  /** A name that stands for others, of which one is chosen each time. */
  readonly selector?: boolean;
  readonly reason?: string | null;
}

export interface SearchResult {
  readonly chat: ChatSummary;
  readonly message?: string | null;
  /** Text, and whether it is what was looked for. */
  readonly snippet: readonly (readonly [string, boolean])[];
}

export interface Folder {
  readonly id: string;
  readonly name: string;
  readonly position: number;
}

export interface Preset {
  readonly id: string;
  readonly name: string;
  readonly model: string | null;
  readonly system: string;
  readonly params: Params;
  /** Everybody may use it. */
  readonly house: boolean;
}

export interface ImportReport {
  readonly imported: number;
  readonly messages: number;
  readonly skipped: readonly string[];
}

/** A piece of an answer: of its content, of its reasoning. `at`, `rat`: how long these are before it. */
export interface Delta {
  readonly id: string;
  readonly c?: string;
  readonly at?: number;
  readonly r?: string;
  readonly rat?: number;
}

/** How far an answer is. */
export interface Progress {
  readonly id: string;
  readonly phase: "queued" | "loading" | "prompt" | "thinking" | "writing";
  readonly position?: number | null;
  readonly reason?: string | null;
  readonly progress?: number | null;
  readonly seconds?: number | null;
  readonly done?: number | null;
  readonly total?: number | null;
  readonly tokens?: number | null;
  readonly per_second?: number | null;
}

/** The events of `/api/live`, by their names. */
export interface LiveEvents {
  readonly hello: { readonly user: string; readonly epoch: string };
  readonly models: ModelState[];
  readonly model: ModelState;
  /** `question`: what is answered, where it is new. */
  readonly answer: { readonly message: Message; readonly question?: Message };
  readonly delta: Delta;
  readonly progress: Progress;
  readonly done: { readonly message: Message };
  readonly chat: { readonly chat: ChatSummary };
  readonly chat_gone: { readonly id: string };
  readonly messages_gone: { readonly chat: string; readonly ids: string[]; readonly current: string | null };
  /** Of a pull, for admins: as `/api/admin/pulls` tells it. */
  readonly pull: Readonly<Record<string, unknown>>;
  readonly notice: { readonly text: string };
  readonly signed_out: Readonly<Record<string, never>>;
}
