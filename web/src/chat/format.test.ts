import { describe, expect, it } from "vitest";

import type { ModelState } from "../lib/types";
import { bytes, daysAgo, dayWords, duration, percent, speed, stateWords } from "./format";
import { grouped } from "./history.svelte";

const NOW = new Date(2026, 10, 23, 9, 0).getTime();
const before = (days: number, hour: number): number => new Date(2026, 10, 23 - days, hour, 0).getTime();

it.each([
  [800, "0.8 s"],
  [12_400, "12 s"],
  [125_000, "2 min 5 s"],
])("%i ms are %s", (ms, words) => expect(duration(ms)).toBe(words));

it.each([
  [0, "0 B"],
  [999, "999 B"],
  [1500, "1.5 KB"],
  [4_500_000_000, "4.5 GB"],
])("%i bytes are %s", (size, words) => expect(bytes(size)).toBe(words));

it("rounds speeds and parts", () => {
  expect([speed(8.44), speed(123.4), percent(0.404), percent(7)]).toEqual(["8.4", "123", "40 %", "100 %"]);
});

it.each([
  [before(0, 1), 0, "Today"],
  [before(1, 23), 1, "Yesterday"],
  [before(6, 0), 6, "Last 7 days"],
  [before(20, 12), 20, "Last 30 days"],
  [before(60, 12), 60, "September 2026"],
  [NOW + 60_000, 0, "Today"],
])("%i was %i days ago", (time, days, words) => {
  expect(daysAgo(time, NOW)).toBe(days);
  expect(dayWords(time, NOW)).toBe(words);
});

describe("what a model does", () => {
  const model: ModelState = {
    id: "m", name: "M", state: "unloaded", waiting: 0, running: 0, vision: false, tools: false, thinking: false,
    embedding: false, fits: "gpu",
  };
  it.each<[Partial<ModelState>, string]>([
    [{ state: "ready" }, "loaded"],
    [{ state: "ready", waiting: 2 }, "loaded, 2 waiting"],
    [{ state: "loading", progress: 0.4 }, "loading, 40 %"],
    [{ state: "loading", seconds: 12 }, "loading, 12 s"],
    [{ state: "loading", seconds: 12, seconds_left: true }, "loading, 12 s left"],
    [{ state: "queued", waiting: 2 }, "queued behind 2"],
    [{ state: "failed", reason: "out of memory" }, "failed: out of memory"],
    [{ fits: "no" }, "does not fit"],
    [{ fits: null }, "not loaded"],
  ])("%j", (change, words) => expect(stateWords({ ...model, ...change })).toBe(words));
});

it("groups the history: what is pinned, then by day", () => {
  const chat = (id: string, updated: number, pinned = false) => ({
    id, updated, pinned, title: id, folder: null, archived: false, temporary: false, created: updated, model: null,
  });
  const groups = grouped([chat("a", before(1, 9)), chat("b", before(0, 8)), chat("c", before(9, 1), true)], "Pinned", NOW);
  expect(groups.map(({ title, chats }) => [title, chats.map(({ id }) => id)])).toEqual([
    ["Pinned", ["c"]],
    ["Today", ["b"]],
    ["Yesterday", ["a"]],
  ]);
});
