/**
 * One open chat, as the page shows it. The server owns the answers: here is only what it told, by its replies and by
 * the events of `live`.
 */
import type { Chat, ChatSettings, ChatSummary, Delta, FileInfo, Message, Progress } from "../lib/types";
import { join, type Growing } from "./deltas";
import * as server from "./server";
import { Gathered } from "./throttle";
import { Tree } from "./tree";

/** What was sent and is not confirmed yet. */
export interface Sent {
  readonly content: string;
  readonly files: readonly FileInfo[];
}

/** How the next answer is wished. */
export interface Wish {
  readonly model?: string;
}

export class ChatRoom {
  chat = $state<Chat>();
  messages = $state<Growing[]>([]);
  /** The end of the branch that is shown. */
  current = $state<string | null>(null);
  progress = $state<Record<string, Progress>>({});
  sent = $state<Sent>();
  loading = $state(false);
  problem = $state<unknown>();
  /** Of a chat that is not there yet: it is made with the first message. */
  temporary = $state(false);
  settings = $state<ChatSettings>({});

  readonly #byId = $derived(new Map(this.messages.map((message) => [message.id, message])));
  readonly #tree = $derived(
    new Tree(this.messages.map(({ id, parent, created }) => ({ id, parent: parent ?? null, created }))),
  );
  readonly path: Growing[] = $derived(
    this.#tree.path(this.current).flatMap(({ id }) => this.#byId.get(id) ?? []),
  );
  /** The answer that is being written on the branch shown. */
  readonly writing: Growing | undefined = $derived(this.path.findLast((message) => message.state === "writing"));

  readonly #deltas = new Gathered<Delta>((pieces) => this.#write(pieces));
  /** Counts the chats opened: what an earlier one still waited for is not wanted any more. */
  #visit = 0;

  /** `made` is told when a chat came to be with its first message. */
  constructor(private readonly made: (chat: Chat) => void) {}

  get id(): string | undefined {
    return this.chat?.id;
  }

  branches(id: string) {
    return this.#tree.branches(id);
  }

  /** Shows the chat `id`, or an empty page for a new one. */
  async open(id: string | undefined): Promise<void> {
    if (id && id === this.id) return;
    this.#visit += 1;
    this.#deltas.drop();
    this.chat = undefined;
    this.messages = [];
    this.current = null;
    this.progress = {};
    this.sent = undefined;
    this.problem = undefined;
    this.temporary = false;
    this.settings = {};
    if (id) await this.#load(id);
  }

  /** Asks the server for all of it again: something happened that we were not told of. */
  async refresh(): Promise<void> {
    if (this.id) await this.#load(this.id);
  }

  async #load(id: string): Promise<void> {
    const visit = this.#visit;
    this.loading = this.messages.length === 0;
    try {
      const { chat, messages } = await server.chat(id);
      if (visit !== this.#visit) return;
      this.#deltas.drop();
      this.chat = chat;
      this.settings = chat.settings;
      this.temporary = chat.temporary;
      this.messages = messages;
      this.current = chat.current ?? null;
      this.problem = undefined;
    } catch (problem) {
      if (visit === this.#visit) this.problem = problem;
    } finally {
      if (visit === this.#visit) this.loading = false;
    }
  }

  // What the person does

  /** Sends a message behind the branch shown. It is on the page at once; a failure is the caller's to tell. */
  async send(content: string, files: readonly FileInfo[], wish: Wish): Promise<void> {
    await this.#ask({ content, files }, this.path.at(-1)?.id ?? null, wish);
  }

  /** Sends `content` in the place of a message of one's own: a branch. */
  async edit(message: Message, content: string, wish: Wish): Promise<void> {
    const before = this.current;
    this.current = message.parent ?? null;
    try {
      await this.#ask({ content, files: message.files }, message.parent ?? null, wish, !message.parent);
    } catch (problem) {
      this.current = before;
      throw problem;
    }
  }

  async #ask(sent: Sent, parent: string | null, wish: Wish, alone = false): Promise<void> {
    this.sent = sent;
    this.#alone = alone;
    try {
      const chat = this.chat ?? (await this.#make());
      const files = sent.files.map((file) => file.id);
      const made = await server.send(chat.id, { parent, content: sent.content, files, model: wish.model });
      if (this.id !== chat.id) return;
      this.#add(made.message);
      this.#add(made.answer);
      this.current = made.answer.id;
    } finally {
      this.sent = undefined;
      this.#alone = false;
    }
  }

  /** Whether what was sent begins the chat anew: then nothing is shown before it. */
  #alone = $state(false);

  get shown(): Growing[] {
    return this.#alone ? [] : this.path;
  }

  async #make(): Promise<Chat> {
    const chat = await server.newChat({ temporary: this.temporary, settings: this.settings });
    this.chat = chat;
    this.made(chat);
    return chat;
  }

  /** Another answer to the message before `answer`. */
  async regenerate(answer: Message, wish: Wish): Promise<void> {
    if (!this.id || !answer.parent) return;
    const made = await server.again(this.id, answer.parent, wish.model);
    this.#add(made.answer);
    this.current = made.answer.id;
  }

  /** Has `answer` written on. */
  async goOn(answer: Message): Promise<void> {
    if (!this.id) return;
    const before = answer.state;
    const known = this.#byId.get(answer.id);
    if (known) known.state = "writing";
    try {
      await server.goOn(this.id, answer.id);
    } catch (problem) {
      if (known) known.state = before;
      throw problem;
    }
  }

  async stop(): Promise<void> {
    const answer = this.writing;
    if (!this.id || !answer) return;
    const { message } = await server.stop(this.id, answer.id);
    this.#put(message);
  }

  /** Writes `content` over an answer, in its place. */
  async rewrite(message: Message, content: string): Promise<void> {
    if (!this.id) return;
    this.#put((await server.rewrite(this.id, message.id, content)).message);
  }

  async remove(message: Message): Promise<void> {
    if (!this.id) return;
    const gone = this.#tree.below(message.id);
    const { current } = await server.removeMessage(this.id, message.id);
    this.#drop(gone, current);
  }

  /** Whether the message `id` is one of this chat. */
  has(id: string): boolean {
    return this.#byId.has(id);
  }

  /** Shows the branch through `id`. */
  show(id: string): void {
    if (!this.path.some((message) => message.id === id)) this.current = this.#tree.leaf(id);
  }

  /** Shows the branch through `id`, and remembers it. */
  choose(id: string): void {
    this.current = this.#tree.leaf(id);
    // Only where the chat opens next time: not worth a word when it fails.
    if (this.id) server.change(this.id, { current: this.current }).catch(() => undefined);
  }

  async configure(settings: ChatSettings): Promise<void> {
    this.settings = settings;
    if (this.id) this.chat = await server.change(this.id, { settings });
  }

  // What the server tells

  onAnswer({ message, question }: { message: Message; question?: Message }): void {
    if (message.chat !== this.id) return;
    this.#deltas.flush();
    const isNew = !this.#byId.has(message.id);
    if (question) this.#add(question);
    if (message.parent && !this.#byId.has(message.parent)) void this.refresh(); // asked on another device, long ago
    else this.#put(message);
    const asked = question ? question.parent : message.parent;
    if (isNew && !this.sent && this.current === asked) this.current = message.id;
  }

  onDelta(delta: Delta): void {
    if (this.#byId.has(delta.id)) this.#deltas.add(delta);
  }

  onProgress(progress: Progress): void {
    if (this.#byId.has(progress.id)) this.progress[progress.id] = progress;
  }

  onDone({ message }: { message: Message }): void {
    if (message.chat !== this.id) return;
    this.#deltas.flush();
    this.#put(message);
    delete this.progress[message.id];
  }

  /** Messages were deleted, perhaps on another device. */
  onMessagesGone({ chat, ids, current }: { chat: string; ids: string[]; current: string | null }): void {
    if (chat === this.id) this.#drop(new Set(ids), current);
  }

  onChat({ chat }: { chat: ChatSummary }): void {
    if (this.chat && chat.id === this.id) this.chat = { ...this.chat, ...chat };
  }

  /** The connection is there again: an answer may have ended while it was not. */
  onHello(): void {
    if (this.messages.some((message) => message.state === "writing")) void this.refresh();
  }

  #write(pieces: Delta[]): void {
    for (const piece of pieces) {
      const message = this.#byId.get(piece.id);
      if (!message || message.state !== "writing") continue;
      if (!join(message, piece)) return void this.refresh();
    }
  }

  #drop(gone: ReadonlySet<string>, current: string | null): void {
    this.messages = this.messages.filter((each) => !gone.has(each.id));
    if (!this.current || gone.has(this.current)) this.current = current;
  }

  #put(message: Message): void {
    const index = this.messages.findIndex((each) => each.id === message.id);
    if (index < 0) this.messages.push(message);
    else this.messages[index] = message;
  }

  /** A reply may come later than the events behind it: what is known already is newer. */
  #add(message: Message): void {
    if (!this.#byId.has(message.id)) this.messages.push(message);
  }
}
