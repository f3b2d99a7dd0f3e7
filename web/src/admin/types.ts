/** What the admin's endpoints tell. Times are milliseconds since 1970, sizes bytes. */
import type { Limits, Role, Usage, User } from "../lib/types";

/** An account as the table of all shows it. */
export interface Account extends User {
  readonly usage?: Usage;
}

export interface Invite {
  readonly id: string;
  readonly role: Role;
  readonly note: string;
  readonly created: number;
  readonly expires: number;
  /** The id of the account that it made. */
  readonly used_by?: string | null;
  readonly used_at?: number | null;
}

/** An invite just made: its link is shown once. `qr` is an SVG. */
export interface MadeInvite {
  readonly invite: Invite;
  readonly link: string;
  readonly qr: string;
}

export interface AccountChange {
  readonly role?: Role;
  readonly name?: string;
  readonly limits?: Limits;
}

/** What a quantization is, and how it would fit here. */
export interface Quant {
  readonly quant: string;
  readonly model: string;
  readonly files: readonly string[];
  readonly size: number;
  readonly words: string;
  readonly fits: string;
  readonly place: "one_gpu" | "gpus" | "gpu_and_ram" | "ram" | "nowhere" | "unknown";
  readonly context_most: number;
  readonly best: boolean;
  readonly warning: string;
}

export interface Quants {
  readonly name: string;
  readonly repository: string;
  readonly gated?: string;
  readonly models: readonly string[];
  readonly note: string;
  readonly rows: readonly Quant[];
  readonly local?: boolean;
}

/** A repository that a search of the hub found. */
export interface Found {
  readonly name: string;
  readonly downloads: number;
  readonly likes: number;
  readonly parameters: number;
  readonly gated: boolean | string;
  readonly fits: string;
}

/** What is to be brought in: by name, or those files of a repository. */
export interface PullWish {
  readonly name: string;
  readonly files?: readonly string[];
}

export interface PullFile {
  readonly path: string;
  readonly total: number;
  readonly completed: number;
}

export type PullPhase = "waiting" | "planning" | "pulling" | "verifying" | "placing" | "done" | "failed" | "cancelled";

export interface Pull {
  readonly id: string;
  readonly name: string;
  readonly state: PullPhase;
  readonly note: string;
  readonly rate: number;
  readonly left_seconds?: number | null;
  readonly files: readonly PullFile[];
  readonly models: readonly string[];
  readonly error?: { readonly message: string; readonly hint?: string | null } | null;
}

/** What removing a model gives back. */
export interface Removal {
  readonly model: string;
  readonly freed: number;
  readonly files: readonly { readonly path: string; readonly size: number }[];
  readonly shared: readonly { readonly path: string; readonly size: number; readonly with: readonly string[] }[];
  /** Models that do not work any more without it. */
  readonly breaks: readonly string[];
}

export interface Disk {
  readonly models: readonly { readonly name: string; readonly size: number; readonly unique: number; readonly shared: number }[];
  readonly partial: readonly { readonly path: string; readonly size: number; readonly pull: string }[];
  readonly leftovers: readonly { readonly path: string; readonly size: number; readonly why: string }[];
  readonly folders: readonly {
    readonly path: string;
    readonly used: number;
    readonly free: number;
    readonly total: number;
    readonly quota?: number | null;
  }[];
  readonly used: number;
}

/** A memory, and who holds what of it. `others`: programs that are not ours, where a driver tells. */
export interface Memory {
  readonly total: number;
  readonly used: number;
  readonly ours: readonly { readonly model: string; readonly bytes: number }[];
  readonly others?: number | null;
  /** Kept free for others. */
  readonly reserved?: number;
}

export interface Gpu extends Memory {
  readonly id: string;
  readonly name: string;
  readonly busy?: number | null;
  readonly temperature?: number | null;
  readonly power?: number | null;
}

export interface Machine {
  readonly gpus: readonly Gpu[];
  readonly ram: Memory;
  /** Why what an engine can use is not known. */
  readonly problems: readonly string[];
}

export interface Waiting {
  readonly model: string;
  readonly client: string;
  readonly request: string;
  /** Seconds. */
  readonly waited: number;
  readonly position: number;
  readonly reason: string;
}

export interface Running {
  readonly model: string;
  readonly instance: string;
  readonly state: string;
  readonly progress?: number | null;
  readonly slots: number;
  readonly active: number;
}

export interface Queue {
  readonly waiting: readonly Waiting[];
  readonly running: readonly Running[];
}

/** A request that a model answered, or should have. Negative is "not told". */
export interface PastRequest {
  readonly id: number;
  readonly time: number;
  readonly model: string;
  readonly client: string;
  readonly path: string;
  readonly status: number;
  /** Why it came to no end, in one of the server's words. */
  readonly cancelled?: string | null;
  readonly prompt_tokens: number;
  readonly cached_tokens: number;
  readonly tokens: number;
  readonly tokens_per_second?: number | null;
  readonly first_token_ms?: number | null;
  readonly queued_ms?: number | null;
  readonly loading_ms?: number | null;
  readonly duration_ms: number;
}

export interface Setting {
  readonly key: string;
  readonly value: unknown;
  readonly locked: boolean;
  /** What says it where admins cannot: a file, or the environment. */
  readonly by?: string | null;
  readonly about: string;
  /** As a JSON schema has it: string, integer, boolean. */
  readonly type: string;
  readonly choices?: readonly string[] | null;
}

export interface AuditEntry {
  readonly id: string;
  readonly time: number;
  readonly actor: string;
  readonly action: string;
  readonly subject: string;
  readonly detail: Readonly<Record<string, unknown>>;
}
