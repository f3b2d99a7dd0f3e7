/** How past requests are put in order. */
import type { PastRequest } from "./types";

const KEYS = {
  time: (row: PastRequest) => row.id,
  client: (row: PastRequest) => row.client,
  model: (row: PastRequest) => row.model,
  status: (row: PastRequest) => row.status,
  prompt: (row: PastRequest) => row.prompt_tokens,
  output: (row: PastRequest) => row.tokens,
  speed: (row: PastRequest) => row.tokens_per_second ?? -1,
  first: (row: PastRequest) => row.first_token_ms ?? -1,
  waited: (row: PastRequest) => waited(row),
  took: (row: PastRequest) => row.duration_ms,
} satisfies Record<string, (row: PastRequest) => string | number>;

export type Column = keyof typeof KEYS;

/** How long it waited for room and for its model. */
export function waited(row: PastRequest): number {
  return Math.max(0, row.queued_ms ?? 0) + Math.max(0, row.loading_ms ?? 0);
}

/** Rows in the order of a column; those alike with the newest first. */
export function sorted(rows: readonly PastRequest[], by: Column, falling: boolean): PastRequest[] {
  const key = KEYS[by];
  const sign = falling ? -1 : 1;
  return [...rows].sort((one, other) => sign * compare(key(one), key(other)) || other.id - one.id);
}

function compare(one: string | number, other: string | number): number {
  return typeof one === "number" && typeof other === "number" ? one - other : String(one).localeCompare(String(other));
}
