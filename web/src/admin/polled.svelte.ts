/** Something of the server's that is asked for again and again while somebody looks at it. */
import { untrack } from "svelte";

export class Polled<T> {
  value = $state.raw<T>();
  problem = $state.raw<unknown>();
  paused = $state(false);
  /** Counts the questions: an answer that a later one overtook is not taken. */
  #asked = 0;

  /** Make it while a component is made: it stops with the component. `every`: milliseconds; 0 asks once. */
  constructor(
    private readonly ask: () => Promise<T>,
    every: number,
  ) {
    $effect(() => {
      untrack(() => void this.look());
      if (!every) return;
      const timer = setInterval(() => {
        if (!this.paused && !document.hidden) void this.look();
      }, every);
      return () => clearInterval(timer);
    });
  }

  /** Asks now. */
  async look(): Promise<void> {
    const turn = ++this.#asked;
    try {
      const value = await this.ask();
      if (turn !== this.#asked) return;
      this.value = value;
      this.problem = undefined;
    } catch (problem) {
      if (turn === this.#asked) this.problem = problem;
    }
  }
}
