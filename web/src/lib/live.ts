/**
 * What happens on the server, as it happens. The browser itself comes back after a lost line and
 * says what it heard last; only where it gave up (a refused answer) we try again, slower each time.
 */
import type { LiveEvents } from "./types";

export type LiveEvent = keyof LiveEvents;
type Listener<E extends LiveEvent> = (data: LiveEvents[E]) => void;
/** Whether events come, as far as the page knows. */
export type Line = "off" | "connecting" | "open" | "lost";

const EVENTS: readonly LiveEvent[] = [
  "hello",
  "models",
  "model",
  "answer",
  "delta",
  "progress",
  "done",
  "chat",
  "chat_gone",
  "messages_gone",
  "pull",
  "notice",
  "signed_out",
];
const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 30_000;

export class Live {
  #source: EventSource | undefined;
  #listeners = new Map<LiveEvent, Set<Listener<never>>>();
  #lineListeners = new Set<(line: Line) => void>();
  #wait = FIRST_WAIT_MS;
  #again: ReturnType<typeof setTimeout> | undefined;
  #line: Line = "off";

  constructor(private readonly path = "/api/live") {}

  get line(): Line {
    return this.#line;
  }

  /** Calls `listener` for every such event from now on; the answer ends that. */
  on<E extends LiveEvent>(event: E, listener: Listener<E>): () => void {
    let listeners = this.#listeners.get(event);
    if (!listeners) this.#listeners.set(event, (listeners = new Set()));
    const kept = listeners;
    kept.add(listener);
    return () => void kept.delete(listener);
  }

  /** Calls `listener` whenever the line is lost or there again; the answer ends that. */
  onLine(listener: (line: Line) => void): () => void {
    this.#lineListeners.add(listener);
    return () => void this.#lineListeners.delete(listener);
  }

  /** Begins to listen. */
  open(): void {
    if (this.#source) return;
    clearTimeout(this.#again);
    this.#say("connecting");
    const source = (this.#source = new EventSource(this.path));
    source.onopen = () => {
      this.#wait = FIRST_WAIT_MS;
      this.#say("open");
    };
    source.onerror = () => this.#lost(source);
    for (const event of EVENTS) {
      source.addEventListener(event, (message) => this.#tell(event, JSON.parse((message as MessageEvent<string>).data)));
    }
  }

  /** Ends listening. */
  close(): void {
    clearTimeout(this.#again);
    this.#source?.close();
    this.#source = undefined;
    this.#say("off");
  }

  #lost(source: EventSource): void {
    if (this.#source !== source) return;
    this.#say("lost");
    if (source.readyState !== EventSource.CLOSED) return;
    this.#source = undefined;
    this.#again = setTimeout(() => this.open(), this.#wait);
    this.#wait = Math.min(2 * this.#wait, LONGEST_WAIT_MS);
  }

  #tell<E extends LiveEvent>(event: E, data: LiveEvents[E]): void {
    const listeners = this.#listeners.get(event) as Set<Listener<E>> | undefined;
    for (const listener of [...(listeners ?? [])]) listener(data);
  }

  #say(line: Line): void {
    if (this.#line === line) return;
    this.#line = line;
    for (const listener of [...this.#lineListeners]) listener(line);
  }
}

/** The page's one line to the server. */
export const live = new Live();
