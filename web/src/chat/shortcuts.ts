/** The keys that do something everywhere on the chat page: one table, which the help shows as well. */
import { strings } from "../strings";

export type Action = "newChat" | "search" | "sidebar" | "focus" | "stop" | "copy" | "previous" | "next" | "help";

export interface Shortcut {
  readonly action: Action;
  /** As `KeyboardEvent.key`, in lower case. */
  readonly key: string;
  /** Ctrl, or Cmd on a Mac. */
  readonly command?: boolean;
  readonly shift?: boolean;
  readonly alt?: boolean;
}

export const SHORTCUTS: readonly Shortcut[] = [
  { action: "newChat", key: "o", command: true, shift: true },
  { action: "search", key: "k", command: true },
  { action: "sidebar", key: "b", command: true },
  { action: "focus", key: "/" },
  { action: "stop", key: "escape" },
  { action: "copy", key: "c", command: true, shift: true },
  { action: "previous", key: "arrowup", alt: true },
  { action: "next", key: "arrowdown", alt: true },
  { action: "help", key: "?", shift: true },
];

const WORDS: Record<string, string> = { escape: "Esc", arrowup: "↑", arrowdown: "↓" };

/** The shortcut as its keys, for the help. */
export function keysOf(shortcut: Shortcut, mac: boolean): string[] {
  const keys: string[] = [];
  if (shortcut.command) keys.push(mac ? "⌘" : "Ctrl");
  if (shortcut.alt) keys.push(mac ? "⌥" : "Alt");
  if (shortcut.shift && shortcut.command) keys.push(mac ? "⇧" : "Shift");
  keys.push(WORDS[shortcut.key] ?? shortcut.key.toUpperCase());
  return keys;
}

/** What the shortcut does, in words. */
export function wordsOf(shortcut: Shortcut): string {
  return strings.shortcuts[shortcut.action];
}

/** Whether keys go into a field: then a shortcut of one plain key is a letter. */
function typing(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
}

/** The action that a key asks for. */
export function actionOf(event: KeyboardEvent): Action | undefined {
  const command = event.ctrlKey || event.metaKey;
  const found = SHORTCUTS.find(
    (each) =>
      each.key === event.key.toLowerCase() &&
      (each.command ?? false) === command &&
      (each.shift ?? false) === event.shiftKey &&
      (each.alt ?? false) === event.altKey,
  );
  if (!found || event.isComposing) return undefined;
  const plain = !found.command && !found.alt && found.key !== "escape";
  return plain && typing(event.target) ? undefined : found.action;
}
