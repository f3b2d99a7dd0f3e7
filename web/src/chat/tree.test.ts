import { describe, expect, it } from "vitest";

import { Tree, type Node } from "./tree";

const node = (id: string, parent: string | null, created: number): Node => ({ id, parent, created });

/*  a ─ b ─ c
 *    └ d ─ e
 *        └ f
 *  g ─ h          */
const NODES = [
  node("f", "d", 6),
  node("a", null, 1),
  node("b", "a", 2),
  node("c", "b", 3),
  node("d", "a", 4),
  node("e", "d", 5),
  node("g", null, 7),
  node("h", "g", 8),
];
const tree = new Tree(NODES);
const ids = (nodes: Node[]): string => nodes.map((each) => each.id).join("");

describe("the tree of messages", () => {
  it.each([
    ["c", "abc"],
    ["f", "adf"],
    ["d", "ad"],
    ["h", "gh"],
    ["unknown", "gh"],
    [null, "gh"],
  ])("goes to %s by %s", (leaf, path) => expect(ids(tree.path(leaf))).toBe(path));

  it.each([
    ["a", "f"],
    ["b", "c"],
    ["d", "f"],
    ["h", "h"],
    ["unknown", "unknown"],
  ])("ends the branch through %s at %s", (id, leaf) => expect(tree.leaf(id)).toBe(leaf));

  it("knows the branches beside a message", () => {
    expect(tree.branches("b")).toEqual({ place: 1, count: 2, previous: undefined, next: "d" });
    expect(tree.branches("f")).toEqual({ place: 2, count: 2, previous: "e", next: undefined });
    expect(tree.branches("c")).toEqual({ place: 1, count: 1, previous: undefined, next: undefined });
    expect(tree.branches("a")).toMatchObject({ place: 1, count: 2, next: "g" });
  });

  it("knows what goes with a message", () => expect([...tree.below("d")].sort()).toEqual(["d", "e", "f"]));

  it("lives with a circle and with a parent that is gone", () => {
    const circle = new Tree([node("x", "y", 1), node("y", "x", 2)]);
    expect(ids(circle.path("x"))).toBe("yx");
    expect(new Tree([node("z", "gone", 1)]).path("z")).toHaveLength(1);
    expect(circle.leaf("x")).toBe("x");
  });
});
