import { describe, expect, it } from "vitest";

import { join } from "./deltas";

describe("pieces of an answer", () => {
  it.each<[string, string, number | undefined, string | undefined]>([
    ["ab", "cd", undefined, "abcd"],
    ["ab", "cd", 2, "abcd"],
    ["abc", "cd", 2, "abcd"],
    ["abcd", "cd", 2, "abcd"],
    ["abcde", "cd", 2, "abcde"],
    ["a😀", "b", 3, "a😀b"],
    ["ab", "cd", 3, undefined],
  ])("%j and %j at %j", (content, c, at, whole) => {
    const message = { content, reasoning: "" };
    expect(join(message, { id: "1", c, at })).toBe(whole !== undefined);
    expect(message.content).toBe(whole ?? content);
  });

  it("keeps what is thought apart", () => {
    const message = { content: "", reasoning: "a" };
    join(message, { id: "1", r: "b", rat: 1 });
    expect(message).toEqual({ content: "", reasoning: "ab" });
    expect(join(message, { id: "1", r: "d", rat: 3 })).toBe(false);
  });
});
