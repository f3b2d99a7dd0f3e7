import { describe, expect, it } from "vitest";

import { join, length } from "./deltas";

describe("pieces of an answer", () => {
  it.each([
    ["", 0],
    ["abc", 3],
    ["a😀b", 3],
    ["👩‍👩‍👧", 5],
  ])("counts %j as the server does", (text, count) => expect(length(text)).toBe(count));

  it.each<[string, string, number | undefined, string | undefined]>([
    ["ab", "cd", undefined, "abcd"],
    ["ab", "cd", 2, "abcd"],
    ["abc", "cd", 2, "abcd"],
    ["abcd", "cd", 2, "abcd"],
    ["a😀", "b", 2, "a😀b"],
    ["a😀", "😀b", 1, "a😀b"],
    ["ab", "cd", 3, undefined],
  ])("%j and %j at %j", (content, piece, at, whole) => {
    const message = { content, reasoning: "" };
    expect(join(message, { id: "1", c: piece, at: at === undefined ? undefined : [at, 0] })).toBe(whole !== undefined);
    expect(message.content).toBe(whole ?? content);
  });

  it("keeps what is thought apart", () => {
    const message = { content: "", reasoning: "a" };
    join(message, { id: "1", r: "b", at: [0, 1] });
    expect(message).toEqual({ content: "", reasoning: "ab" });
  });
});
