import { expect, it } from "vitest";

import { ending } from "./logs";

const CASES: [string, number, string][] = [
  ["one\ntwo\n", 100, "one\ntwo\n"],
  ["one\ntwo\nthree\n", 10, "two\nthree\n"],
  ["one\ntwo\nthree\n", 9, "three\n"],
  ["abcdef", 3, "def"],
];

it.each(CASES)("the end of %j within %d characters", (text, longest, end) => {
  expect(ending(text, longest)).toBe(end);
});
