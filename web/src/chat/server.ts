/** What the chat asks of the server: one function for one route. */
import { api } from "../lib/api";
import type {
  Chat,
  ChatSettings,
  ChatSummary,
  FileInfo,
  Folder,
  Message,
  ModelState,
  Params,
  Preset,
  SearchResult,
} from "../lib/types";

export interface Page {
  readonly chats: ChatSummary[];
  readonly next?: string | null;
}

export interface Asked {
  readonly parent: string | null;
  readonly content: string;
  readonly files?: readonly string[];
  readonly model?: string;
  readonly params?: Params;
}

const at = (...parts: string[]): string => `/api/chats/${parts.map(encodeURIComponent).join("/")}`;

function query(values: Record<string, string | number | boolean | undefined | null>): string {
  const pairs = Object.entries(values).filter(([, value]) => value !== undefined && value !== null);
  return pairs.length ? `?${new URLSearchParams(pairs.map(([key, value]) => [key, String(value)]))}` : "";
}

// Chats

export const page = (wanted: { before?: string; limit?: number; archived?: boolean; folder?: string }): Promise<Page> =>
  api.get(`/api/chats${query(wanted)}`);
export const chat = (id: string): Promise<{ chat: Chat; messages: Message[] }> => api.get(at(id));
export const newChat = (chat: { temporary: boolean; settings: ChatSettings }): Promise<Chat> =>
  api.post("/api/chats", chat);
export const change = (
  id: string,
  chat: Partial<Pick<Chat, "title" | "pinned" | "archived" | "folder" | "current" | "settings">>,
): Promise<Chat> => api.patch(at(id), chat);
export const remove = (id: string): Promise<void> => api.delete(at(id));
export const betterTitle = (id: string): Promise<{ title: string }> => api.post(at(id, "title"), {});
export const exported = (id: string, format: "md" | "json"): string => `${at(id, "export")}?format=${format}`;
export const search = (words: string): Promise<{ results: SearchResult[] }> => api.get(`/api/search${query({ q: words })}`);

export const folders = (): Promise<{ folders: Folder[] }> => api.get("/api/folders");
export const newFolder = (name: string): Promise<Folder> => api.post("/api/folders", { name });
export const renameFolder = (id: string, name: string): Promise<Folder> =>
  api.patch(`/api/folders/${encodeURIComponent(id)}`, { name });
export const removeFolder = (id: string): Promise<void> => api.delete(`/api/folders/${encodeURIComponent(id)}`);

// Messages

export const send = (id: string, asked: Asked): Promise<{ message: Message; answer: Message }> =>
  api.post(at(id, "messages"), asked);
export const again = (id: string, message: string, model?: string): Promise<{ answer: Message }> =>
  api.post(at(id, "messages", message, "answer"), { model });
export const goOn = (id: string, message: string): Promise<{ answer: Message }> =>
  api.post(at(id, "messages", message, "continue"), {});
export const stop = (id: string, message: string): Promise<{ message: Message }> =>
  api.post(at(id, "messages", message, "stop"), {});
export const rewrite = (id: string, message: string, content: string): Promise<{ message: Message }> =>
  api.patch(at(id, "messages", message), { content });
export const removeMessage = (id: string, message: string): Promise<{ current: string | null }> =>
  api.delete(at(id, "messages", message));
export const tokens = (
  id: string,
  asked: Asked,
): Promise<{ tokens: number; context: number | null; exact: boolean }> => api.post(at(id, "count"), asked);

// Files, models, presets

export const upload = (file: File): Promise<FileInfo> =>
  api.upload(`/api/files${query({ name: file.name })}`, file);
export const removeFile = (id: string): Promise<void> => api.delete(`/api/files/${encodeURIComponent(id)}`);
export const fileAddress = (id: string): string => `/api/files/${encodeURIComponent(id)}`;

export const models = (): Promise<{ models: ModelState[] }> => api.get("/api/models");
export const load = (model: string): Promise<unknown> => api.post("/api/admin/models/load", { model });
export const eject = (model: string): Promise<unknown> => api.post("/api/admin/models/unload", { model });

export const presets = (): Promise<{ presets: Preset[] }> => api.get("/api/presets");
export const newPreset = (preset: Omit<Preset, "id">): Promise<Preset> => api.post("/api/presets", preset);
export const changePreset = (id: string, preset: Partial<Omit<Preset, "id">>): Promise<Preset> =>
  api.patch(`/api/presets/${encodeURIComponent(id)}`, preset);
export const removePreset = (id: string): Promise<void> => api.delete(`/api/presets/${encodeURIComponent(id)}`);
