// @vitest-environment jsdom
import { describe, expect, it } from "vitest";

import { Blocks, type Block } from "./blocks";
import { render } from "./render";

const SAMPLES: Record<string, string> = {
  prose: "# Title\n\nOne *two*\nthree.\n\nSetext\n===\n\nFour\n\n---\n\nFive\n",
  lists: "Before:\n- a\n  - b\n\n    more of b\n- c\n\n1. x\n2. y\n\n   still y\n\nafter\n",
  fences: "Look:\n\n```python\ndef f():\n\n    return 1\n```\n\n~~~\n```\n~~~\n\n- in a list:\n  ```js\n  1\n  ```\nend\n",
  table: "| a | b |\n|---|---|\n| 1 | `2` |\n| 3 | 4 |\n\nafter\n",
  quote: "> one\ntwo\n> three\n\n> four\n\nfive\n",
  math: "We know $a$:\n\n$$\nx = y\n$$\n\nand \\[ z \\] so\n\n\\[\nq\n\\]\n",
  html: "a <b>c</b>\n\n<div>\n\n<script>alert(1)</script>\n\n</div>\n\nend\n",
  links: "See [this][1] and [that].\n\nMore.\n\n[1]: https://example.org/1\n[that]: https://example.org/2\n",
  windows: "one\r\n\r\ntwo\r\n- a\r\n- b\r\n",
  unclosed: "text\n\n```sh\nls -l\n",
};

const whole = (blocks: readonly Block[]): string =>
  blocks.map((block) => block.html ?? render(block.raw)).join("");
const tight = (html: string): string => html.replace(/\n+/g, "\n");

describe.each(Object.entries(SAMPLES))("%s", (_name, source) => {
  it.each([1, 3, 7, 50])("comes out the same in pieces of %i", (size) => {
    const blocks = new Blocks();
    for (let end = size; end < source.length; end += size) blocks.read(source.slice(0, end), true);
    expect(tight(whole(blocks.read(source, false)))).toBe(tight(render(source.replace(/\r\n/g, "\n"))));
  });
});

it("keeps the blocks that are finished", () => {
  const blocks = new Blocks();
  const before = blocks.read("one\n\ntwo\n\nthr", true);
  const after = blocks.read("one\n\ntwo\n\nthree\n\nfour", true);
  expect(after[0]).toBe(before[0]);
  expect(after[1]).toBe(before[1]);
  expect(after[2]).not.toBe(before[2]);
  const end = blocks.read("one\n\ntwo\n\nthree\n\nfour", false);
  expect(end.map((block, index) => block === after[index])).toEqual([true, true, true, true]);
});

it("begins anew when the text is another", () => {
  const blocks = new Blocks();
  blocks.read("one\n\ntwo\n\n", true);
  expect(whole(blocks.read("# other", true))).toBe("<h1>other</h1>\n");
});

it("gives code its language, and says when it is complete", () => {
  const blocks = new Blocks();
  expect(blocks.read("```python title=x\nprint(1)\n", true)[0]?.code).toEqual({ text: "print(1)", language: "python", closed: false });
  expect(blocks.read("```python title=x\nprint(1)\n```\n", true)[0]?.code?.closed).toBe(true);
});

it("does not guess what a line of marks will be", () => {
  const blocks = new Blocks();
  expect(whole(blocks.read("a list:\n-", true))).toBe("<p>a list:</p>\n");
  expect(whole(blocks.read("a list:\n- x", true))).toContain("<li>x</li>");
  expect(whole(blocks.read("over\n---", false))).toBe("<h2>over</h2>\n");
});

it("reads only what is new of a long text", () => {
  const paragraph = "Some *words* of a long answer, with `code` and a [link](https://example.org).\n\n";
  const blocks = new Blocks();
  let text = "";
  const began = performance.now();
  for (let count = 0; count < 400; count += 1) blocks.read((text += paragraph), true);
  expect(performance.now() - began).toBeLessThan(20_000); // to read all of it each time takes minutes
});
