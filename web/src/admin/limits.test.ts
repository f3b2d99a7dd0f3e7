import { expect, it } from "vitest";

import type { Limits } from "../lib/types";
import { fieldsOf, limitsOf } from "./limits";

const CASES: [string, Limits][] = [
  ["none", {}],
  ["no model at all", { models: [] }],
  ["some models", { models: ["a", "b"] }],
  ["nothing today", { tokens_per_day: 0 }],
  ["quiet at night", { quiet: { from: "21:00", to: "07:00" } }],
  ["all", { models: ["a"], tokens_per_day: 10, parallel: 1, quiet: { from: "21:00", to: "07:00" }, preset: "p" }],
];

it.each(CASES)("limits come back from their form as they went in: %s", (_, limits) => {
  expect(limitsOf(fieldsOf(limits))).toEqual(limits);
});

it("an hour without its other end is no quiet time", () => {
  expect(limitsOf({ ...fieldsOf({}), from: "21:00" })).toEqual({});
});
