/** Short words that come up, are read out, and go by themselves. */
const SHOWN_MS = 6000;

export interface Toast {
  readonly id: number;
  readonly text: string;
  readonly bad: boolean;
}

class Toasts {
  list = $state<Toast[]>([]);
  #last = 0;

  /** Something that is good to know. */
  say(text: string): void {
    this.#put(text, false);
  }

  /** Something went wrong. */
  warn(text: string): void {
    this.#put(text, true);
  }

  drop(id: number): void {
    this.list = this.list.filter((toast) => toast.id !== id);
  }

  #put(text: string, bad: boolean): void {
    const id = ++this.#last;
    this.list.push({ id, text, bad });
    setTimeout(() => this.drop(id), SHOWN_MS);
  }
}

export const toasts = new Toasts();
