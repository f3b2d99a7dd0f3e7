import { expect, it } from "vitest";

import { laidOut, type Part } from "./bars";
import { part, sums } from "./pulls";
import type { Pull } from "./types";

const bar = (...parts: [Part["kind"], number][]): Part[] => parts.map(([kind, bytes]) => ({ kind, name: kind, bytes }));

it("parts stand side by side and fill what they take", () => {
  const laid = laidOut(bar(["ours", 25], ["others", 0], ["free", 75]), 100, 1000);
  expect(laid.map(({ kind, x, width }) => [kind, x, width])).toEqual([
    ["ours", 0, 250],
    ["free", 250, 750],
  ]);
});

it("parts that are more than the whole stay inside it", () => {
  const laid = laidOut(bar(["ours", 150], ["ours", 50]), 100, 1000);
  expect(laid.at(-1)).toMatchObject({ x: 750, width: 250, shade: 1 });
});

it("nothing known is nothing drawn", () => {
  expect(laidOut([], 0, 1000)).toEqual([]);
});

it("a pull is as far as its files together, and unknown before they are", () => {
  const files = [
    { path: "a", total: 100, completed: 50 },
    { path: "b", total: 300, completed: 50 },
  ];
  const pull = { state: "pulling", files } as unknown as Pull;
  expect(sums(pull)).toEqual({ completed: 100, total: 400 });
  expect(part(pull)).toBe(0.25);
  expect(part({ ...pull, state: "planning" })).toBeUndefined();
});
