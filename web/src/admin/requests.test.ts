import { expect, it } from "vitest";

import { sorted, type Column } from "./requests";
import type { PastRequest } from "./types";

const row = (id: number, model: string, speed: number): PastRequest =>
  ({ id, model, tokens_per_second: speed }) as PastRequest;
const ROWS = [row(1, "b", 10), row(2, "a", 30), row(3, "b", 20)];

const CASES: [Column, boolean, number[]][] = [
  ["time", true, [3, 2, 1]],
  ["time", false, [1, 2, 3]],
  ["speed", true, [2, 3, 1]],
  ["model", false, [2, 3, 1]],
  ["model", true, [3, 1, 2]],
];

it.each(CASES)("sorted by %s, falling: %s", (by, falling, ids) => {
  expect(sorted(ROWS, by, falling).map(({ id }) => id)).toEqual(ids);
});
