import { afterEach, beforeEach, expect, it, vi } from "vitest";

import { Gathered } from "./throttle";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it("hands over together what came together", () => {
  const seen: string[][] = [];
  const gathered = new Gathered<string>((pieces) => seen.push(pieces), 60);
  gathered.add("a");
  gathered.add("b");
  expect(seen).toEqual([]);
  vi.advanceTimersByTime(60);
  gathered.add("c");
  gathered.flush();
  gathered.flush();
  gathered.add("d");
  gathered.drop();
  vi.runAllTimers();
  expect(seen).toEqual([["a", "b"], ["c"]]);
});

it("becomes rarer when drawing is slow", () => {
  let now = 0;
  let drawn = 0;
  const gathered = new Gathered<string>(() => void ((now += 100), (drawn += 1)), 60, () => now);
  gathered.add("a");
  vi.advanceTimersByTime(60);
  gathered.add("b");
  vi.advanceTimersByTime(299);
  expect(drawn).toBe(1);
  vi.advanceTimersByTime(1);
  expect(drawn).toBe(2);
});
