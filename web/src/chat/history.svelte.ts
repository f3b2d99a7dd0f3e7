/** The list of chats in the sidebar: pages of it as they are scrolled to, kept true by the server's events. */
import type { ChatSummary, Folder } from "../lib/types";
import { dayWords } from "./format";
import * as server from "./server";

export interface Group {
  readonly title: string;
  readonly chats: ChatSummary[];
}

/** `chats` under headings: pinned ones, then by day, the newest first. */
export function grouped(chats: readonly ChatSummary[], pinnedTitle: string, now: number = Date.now()): Group[] {
  const newest = [...chats].sort((one, other) => other.updated - one.updated || (one.id < other.id ? 1 : -1));
  const groups = new Map<string, ChatSummary[]>();
  const pinned = newest.filter((chat) => chat.pinned);
  if (pinned.length) groups.set(pinnedTitle, pinned);
  for (const chat of newest) {
    if (chat.pinned) continue;
    const title = dayWords(chat.updated, now);
    const group = groups.get(title);
    if (group) group.push(chat);
    else groups.set(title, [chat]);
  }
  return [...groups].map(([title, chats]) => ({ title, chats }));
}

class History {
  chats = $state<ChatSummary[]>([]);
  folders = $state<Folder[]>([]);
  archived = $state(false);
  folder = $state<string>();
  loading = $state(false);
  problem = $state<unknown>();
  /** Whether the end of the list is not here yet. */
  more = $state(true);

  #next: string | null | undefined;
  #view = 0;

  /** Shows all chats, those of a folder, or the archive. */
  async show(view: { archived?: boolean; folder?: string } = {}): Promise<void> {
    this.archived = view.archived ?? false;
    this.folder = view.folder;
    await this.reload();
  }

  async reload(): Promise<void> {
    this.#view += 1;
    this.#next = undefined;
    this.chats = [];
    this.more = true;
    this.loading = false;
    await this.further();
  }

  /** The next page. */
  async further(): Promise<void> {
    if (this.loading || !this.more) return;
    const view = this.#view;
    this.loading = true;
    try {
      const wanted = { before: this.#next ?? undefined, limit: 60, archived: this.archived || undefined, folder: this.folder };
      const { chats, next } = await server.page(wanted);
      if (view !== this.#view) return;
      const here = new Set(this.chats.map((chat) => chat.id));
      this.chats.push(...chats.filter((chat) => !here.has(chat.id)));
      this.#next = next;
      this.more = Boolean(next);
      this.problem = undefined;
    } catch (problem) {
      if (view !== this.#view) return;
      this.problem = problem;
      this.more = false;
    } finally {
      if (view === this.#view) this.loading = false;
    }
  }

  /** Takes in what changed while nobody told us. */
  async refresh(): Promise<void> {
    const { chats } = await server.page({ limit: 60, archived: this.archived || undefined, folder: this.folder });
    chats.forEach((chat) => this.put(chat));
  }

  async loadFolders(): Promise<void> {
    this.folders = (await server.folders()).folders;
  }

  /** What is known of a chat now: it comes, moves, changes its place or goes. */
  put(chat: ChatSummary): void {
    const index = this.chats.findIndex((each) => each.id === chat.id);
    const belongs =
      !chat.temporary && chat.archived === this.archived && (!this.folder || chat.folder === this.folder);
    if (!belongs) {
      if (index >= 0) this.chats.splice(index, 1);
    } else if (index >= 0) this.chats[index] = chat;
    else this.chats.unshift(chat);
  }

  drop(id: string): void {
    this.chats = this.chats.filter((chat) => chat.id !== id);
  }
}

export const history = new History();
