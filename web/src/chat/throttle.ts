/**
 * Words come in dozens a second, the page draws a few times a second: what comes between is gathered.
 */

/** Gathers pieces and hands them over together, soon after the first of them. */
export class Gathered<T> {
  #pieces: T[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #pause: number;

  /** `use` is given all that was gathered, at most every `shortest` ms; the longer `use` takes, the rarer. */
  constructor(
    private readonly use: (pieces: T[]) => void,
    private readonly shortest = 60,
    private readonly clock: () => number = () => performance.now(),
  ) {
    this.#pause = shortest;
  }

  add(piece: T): void {
    this.#pieces.push(piece);
    this.#timer ??= setTimeout(() => this.flush(), this.#pause);
  }

  /** Hands over now what is there. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#pieces.length === 0) return;
    const pieces = this.#pieces;
    this.#pieces = [];
    const began = this.clock();
    this.use(pieces);
    // At most a quarter of the time goes into drawing, so that typing and scrolling stay smooth on a slow phone.
    this.#pause = Math.min(1000, Math.max(this.shortest, 3 * (this.clock() - began)));
  }

  /** Forgets what is there. */
  drop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#pieces = [];
  }
}
