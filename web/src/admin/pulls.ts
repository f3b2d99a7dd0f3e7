/** What a pull's state says of how far it is. */
import type { Pull, PullPhase } from "./types";

const ENDS: ReadonlySet<PullPhase> = new Set(["done", "failed", "cancelled"]);

export const ended = (pull: Pull): boolean => ENDS.has(pull.state);

/** Bytes of all its files together. */
export function sums(pull: Pick<Pull, "files">): { completed: number; total: number } {
  return pull.files.reduce(
    (sum, file) => ({ completed: sum.completed + file.completed, total: sum.total + file.total }),
    { completed: 0, total: 0 },
  );
}

/** From 0 to 1; nothing while it is not known. */
export function part(pull: Pull): number | undefined {
  const { completed, total } = sums(pull);
  return pull.state === "pulling" && total > 0 ? Math.min(1, completed / total) : undefined;
}
