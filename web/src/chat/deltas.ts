/** Pieces of an answer, put where they belong. */
import type { Delta, Message } from "../lib/types";

/** A message to which more comes. */
export type Growing = { -readonly [Key in keyof Message]: Message[Key] };

/** How many characters `text` has as the server counts them: an emoji is one. */
export function length(text: string): number {
  let count = text.length;
  for (const unit of text.match(/[\uD800-\uDBFF][\uDC00-\uDFFF]/g) ?? []) count -= unit.length - 1;
  return count;
}

function joined(text: string, piece: string, at: number | undefined): string | undefined {
  if (at === undefined) return text + piece;
  const known = length(text);
  if (at > known) return undefined;
  return text + Array.from(piece).slice(known - at).join("");
}

/**
 * Puts `delta` behind what `message` has; what it has already is not put twice. False when something is missing
 * between the two.
 */
export function join(message: Pick<Growing, "content" | "reasoning">, delta: Delta): boolean {
  const content = joined(message.content, delta.c ?? "", delta.at?.[0]);
  const reasoning = joined(message.reasoning, delta.r ?? "", delta.at?.[1]);
  if (content === undefined || reasoning === undefined) return false;
  message.content = content;
  message.reasoning = reasoning;
  return true;
}
