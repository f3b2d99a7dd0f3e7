// @vitest-environment jsdom
import { expect, it } from "vitest";

import { actionOf, keysOf, SHORTCUTS, type Action } from "./shortcuts";

function pressed(key: string, keys: KeyboardEventInit, on: HTMLElement = document.body): Action | undefined {
  const event = new KeyboardEvent("keydown", { key, ...keys });
  Object.defineProperty(event, "target", { value: on });
  return actionOf(event);
}

it.each<[string, KeyboardEventInit, Action | undefined]>([
  ["O", { ctrlKey: true, shiftKey: true }, "newChat"],
  ["o", { metaKey: true, shiftKey: true }, "newChat"],
  ["k", { ctrlKey: true }, "search"],
  ["b", { metaKey: true }, "sidebar"],
  ["/", {}, "focus"],
  ["Escape", {}, "stop"],
  ["ArrowUp", { altKey: true }, "previous"],
  ["?", { shiftKey: true }, "help"],
  ["k", {}, undefined],
  ["o", { ctrlKey: true }, undefined],
])("%s with %j", (key, keys, action) => expect(pressed(key, keys)).toBe(action));

it("leaves letters to who types", () => {
  const field = document.createElement("textarea");
  expect(pressed("/", {}, field)).toBeUndefined();
  expect(pressed("?", { shiftKey: true }, field)).toBeUndefined();
  expect(pressed("Escape", {}, field)).toBe("stop");
  expect(pressed("k", { ctrlKey: true }, field)).toBe("search");
});

it("names its keys", () => {
  expect(SHORTCUTS.map((each) => keysOf(each, false).join("+"))).toContain("Ctrl+Shift+O");
  expect(SHORTCUTS.map((each) => keysOf(each, true).join(""))).toContain("⌘K");
});
