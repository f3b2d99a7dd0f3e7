/** Something asked of the server: whether it is on its way, and what came of it. */
import { ApiError } from "./api";

export class Deed {
  busy = $state(false);
  problem = $state<ApiError>();

  /** Does `work`, one at a time. Whether it went well; what went wrong is in `problem`. */
  async run(work: () => Promise<void>): Promise<boolean> {
    if (this.busy) return false;
    this.busy = true;
    this.problem = undefined;
    try {
      await work();
      return true;
    } catch (problem) {
      if (!(problem instanceof ApiError)) throw problem;
      this.problem = problem;
      return false;
    } finally {
      this.busy = false;
    }
  }
}
