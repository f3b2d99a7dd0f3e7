/** What the admin's pages ask of the server: one function for one route. */
import { api } from "../lib/api";
import type { Chat, ChatSummary, Message, Role } from "../lib/types";
import type {
  Account,
  AccountChange,
  AuditEntry,
  Disk,
  Found,
  Invite,
  Machine,
  MadeInvite,
  PastRequest,
  Pull,
  PullWish,
  Quants,
  Queue,
  Removal,
  Setting,
} from "./types";

const at = (...parts: string[]): string => `/api/admin/${parts.map(encodeURIComponent).join("/")}`;
const asked = (values: Record<string, string>): string => `?${new URLSearchParams(values)}`;

// People

export const accounts = (): Promise<{ users: Account[] }> => api.get(at("users"));
export const changeAccount = (id: string, change: AccountChange): Promise<void> => api.patch(at("users", id), change);
export const resetPassword = (id: string): Promise<{ password: string }> => api.post(at("users", id, "password"));
export const removeAccount = (id: string): Promise<void> => api.delete(at("users", id));

export const invites = (): Promise<{ invites: Invite[] }> => api.get(at("invites"));
export const invite = (wanted: { role: Role; days: number; note?: string }): Promise<MadeInvite> =>
  api.post(at("invites"), wanted);
export const revokeInvite = (id: string): Promise<void> => api.delete(at("invites", id));

// Models

export const load = (model: string): Promise<void> => api.post(at("models", "load"), { model });
export const eject = (model: string): Promise<void> => api.post(at("models", "unload"), { model });
export const removal = (model: string): Promise<Removal> => api.delete(at("models"), { model, dry_run: true });
/** With `force` also one that is in memory: its requests end first. */
export const removeModel = (model: string, force: boolean): Promise<Removal> => api.delete(at("models"), { model, force });
export const disk = (): Promise<Disk> => api.get(at("disk"));

export const quants = (name: string): Promise<Quants> => api.get(at("quants") + asked({ name }));
export const find = (words: string): Promise<{ results: Found[] }> => api.get(at("find") + asked({ q: words }));
export const pulls = (): Promise<{ pulls: Pull[] }> => api.get(at("pulls"));
export const pull = (wanted: PullWish): Promise<Pull> => api.post(at("pulls"), wanted);
export const endPull = (id: string): Promise<Pull> => api.delete(at("pulls", id));

// The machine

export const machine = (): Promise<Machine> => api.get(at("machine"));
export const queue = (): Promise<Queue> => api.get(at("queue"));
export const requests = (limit: number): Promise<{ requests: PastRequest[] }> =>
  api.get(at("requests") + asked({ limit: String(limit) }));
/** Where a model's log comes line by line, each as JSON; without a model the daemon's. */
export const logStream = (model: string): string => at("logs") + asked({ model, follow: "1" });

// The house

export const settings = (): Promise<{ settings: Setting[] }> => api.get(at("settings"));
export const changeSettings = (changes: Record<string, unknown>): Promise<void> => api.patch(at("settings"), changes);

export const audit = (): Promise<{ entries: AuditEntry[] }> => api.get(at("audit"));
export const breakGlass = (user: string, reason: string): Promise<{ until: number }> =>
  api.post(at("break-glass"), { user, reason });
export const chatsOf = (user: string): Promise<{ chats: ChatSummary[] }> => api.get(at("users", user, "chats"));
export const chatOf = (user: string, chat: string): Promise<{ chat: Chat; messages: Message[] }> =>
  api.get(at("users", user, "chats", chat));
