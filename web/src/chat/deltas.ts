/** Pieces of an answer, put where they belong. */
import type { Delta, Message } from "../lib/types";

/** A message to which more comes. */
export type Growing = { -readonly [Key in keyof Message]: Message[Key] };

function joined(text: string, piece = "", at = text.length): string | undefined {
  return at > text.length ? undefined : text + piece.slice(text.length - at);
}

/**
 * Puts `delta` behind what `message` has; what it has already is not put twice. False when something is missing
 * between the two.
 */
export function join(message: Pick<Growing, "content" | "reasoning">, delta: Delta): boolean {
  const content = joined(message.content, delta.c, delta.at);
  const reasoning = joined(message.reasoning, delta.r, delta.rat);
  if (content === undefined || reasoning === undefined) return false;
  message.content = content;
  message.reasoning = reasoning;
  return true;
}
